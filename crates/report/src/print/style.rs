//! How a text for a terminal may look: its width, and whether it has colours.

use crate::report::document::{Mark, Span, Tone, Words};
use zload_core::text::shown;

/// Columns of a terminal that says nothing else.
const WIDTH: usize = 80;
/// How a text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours are wanted.
    color: bool,
    /// Columns that a line may have.
    width: usize,
    /// Whether all is wanted, and not only what fits on a screen.
    verbose: bool,
}

impl Style {
    /// Plain text, or with ANSI colours; 80 columns wide.
    pub fn new(color: bool) -> Self {
        Self { color, width: WIDTH, verbose: false }
    }

    /// The same for this many columns.
    #[must_use]
    pub fn wide(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// The same with all that there is to say, where a report has a short form.
    #[must_use]
    pub fn verbose(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    pub(super) fn is_verbose(self) -> bool {
        self.verbose
    }

    pub(super) fn width(self) -> usize {
        self.width
    }

    pub(super) fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn toned(self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Plain | Tone::Note => text.to_owned(),
            Tone::Good => self.paint("1;32", text),
            Tone::Doubt => self.paint("1;33", text),
            Tone::Alarm => self.paint("1;31", text),
        }
    }

    pub(super) fn marked(self, mark: Mark) -> String {
        let tone = match mark {
            Mark::Pass => Tone::Good,
            Mark::Warn | Mark::Unknown => Tone::Doubt,
            Mark::Fail => Tone::Alarm,
            Mark::Dot | Mark::Bullet | Mark::Uncertain => Tone::Plain,
        };
        self.toned(tone, mark.sign())
    }

    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// `text`, with what acts in it escaped, broken into lines of at most the width, each after the first beginning with
    /// `indent` blanks.
    pub(super) fn wrapped(self, text: &str, indent: usize) -> String {
        let text = shown(text);
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            let last = lines.last_mut().expect("there is always a line");
            let length = indent + last.chars().count() + 1 + word.chars().count();
            if length > self.width && !last.is_empty() {
                lines.push(word.to_owned());
            } else {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(word);
            }
        }
        lines.join(&format!("\n{:indent$}", ""))
    }

    pub(super) fn words(self, words: &Words, indent: usize) -> String {
        let alarms = words.0.iter().filter(|span| matches!(span, Span::Alarm(..)));
        let text = self.wrapped(&words.plain(), indent);
        alarms.fold(text, |text, alarm| {
            text.replacen(alarm.plain(), &self.toned(Tone::Alarm, alarm.plain()), 1)
        })
    }

    /// `text` as these words are painted.
    pub(super) fn painted(self, words: &Words, text: String) -> String {
        match &words.0[..] {
            [Span::Mark(mark)] => self.marked(*mark),
            [Span::Toned(tone, _)] => self.toned(*tone, &text),
            _ => text,
        }
    }
}
