//! A problem in a scenario: what is wrong, where, and what is allowed instead.
//!
//! Invariant: its text is small and safe to show, whatever the file holds.

use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DEFAULT_TERM_WIDTH;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::text::{lines, short, shown};

/// Longest line of a file that is shown; longer ones are cut around the place.
const LONGEST_LINE: usize = 200;

/// Longest name that is compared with those that are known: comparing takes time by the length of both.
const LONGEST_NAME: usize = 64;

/// What is wrong in a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or `--set`.
    source: String,
    /// The line of the source that the problem is in, and its number from 1.
    line: String,
    line_number: usize,
    /// The wrong text within the line, in bytes.
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

impl Problem {
    /// A problem at `span` (bytes) of `text`.
    pub fn new(source: &str, text: &str, span: Range<usize>, message: &str) -> Self {
        let start = floor_char(text, span.start.min(text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let in_line = start - line_start;
        let end = floor_char(
            line,
            span.end.saturating_sub(line_start).clamp(in_line.min(line.len()), line.len()),
        );
        let (line, span) = safe(&cut(line, in_line.min(line.len())..end));
        Self {
            source: shown(source).into_owned(),
            line,
            line_number: text[..line_start].matches('\n').count() + 1,
            span,
            message: short(message),
            help: None,
        }
    }

    /// The same, with what is allowed or nearest.
    #[must_use]
    pub fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help.map(|help| shown(&help).into_owned());
        self
    }

    /// The text for a reader, with ANSI colours if asked for.
    pub fn render(&self, color: bool) -> String {
        let snippet = Snippet::source(&self.line)
            .line_start(self.line_number)
            .path(&self.source)
            .annotation(AnnotationKind::Primary.span(self.span.clone()));
        let mut group = Level::ERROR.primary_title(&self.message).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let text = renderer.term_width(DEFAULT_TERM_WIDTH).render(&[group]);
        // Only the renderer's own colours are left to escape.
        if color { text } else { lines(&text).into_owned() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

/// The nearest of the `known` names, if one is near enough.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3 + 1)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn floor_char(text: &str, mut index: usize) -> usize {
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

/// The part of `line` around `span`, short enough to show.
fn cut(line: &str, span: Range<usize>) -> (String, Range<usize>) {
    if line.len() <= LONGEST_LINE {
        return (line.to_owned(), span);
    }
    let from = floor_char(line, span.start.saturating_sub(LONGEST_LINE / 4));
    let to = floor_char(line, (from + LONGEST_LINE).min(line.len()));
    let end = span.end.min(to);
    (line[from..to].to_owned(), span.start - from..end - from)
}

/// A line with every control character escaped, and where its span then is. Tabs stay: the renderer has
/// blanks for them.
fn safe((line, span): &(String, Range<usize>)) -> (String, Range<usize>) {
    let safe =
        |part: &str| -> String { part.split('\t').map(shown).collect::<Vec<_>>().join("\t") };
    let [before, within, after] =
        [&line[..span.start], &line[span.clone()], &line[span.end..]].map(safe);
    let span = before.len()..before.len() + within.len();
    (before + &within + &after, span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_file_line_and_column_and_underlines() {
        let text = "name = 'x'\n[clients]\ncuont = 3\n";
        let problem = Problem::new("a.toml", text, 21..26, "unknown key `cuont`");
        let shown = problem.with_help(Some("did you mean `count`?".to_owned())).to_string();
        assert!(shown.contains("a.toml:3:1"), "{shown}");
        assert!(shown.contains("cuont = 3"), "{shown}");
        assert!(shown.contains("^^^^^"), "{shown}");
        assert!(shown.contains("did you mean `count`?"), "{shown}");
    }

    #[test]
    fn signs_that_act_are_shown_and_what_is_wrong_stays_underlined() {
        let text = "\tna\u{202e}me = '\u{1b}[2J\u{200b}' # \u{2028}";
        let start = text.find('\'').unwrap();
        let end = text.rfind('\'').unwrap() + 1;
        let shown = Problem::new("a\u{1b}\n.toml", text, start..end, "no\u{9b} name").to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(!lines.iter().flat_map(|line| line.chars()).any(crate::text::acts), "{shown:?}");
        assert!(
            lines[0].ends_with(r"no\u{9b} name") && lines[1].contains(r"a\u{1b}\u{a}.toml:1:"),
            "{shown}"
        );
        let marks = lines[4].find('^').unwrap()..lines[4].rfind('^').unwrap() + 1;
        assert_eq!(&lines[3][marks], r"'\u{1b}[2J\u{200b}'", "{shown}");
    }

    #[test]
    fn stays_small_for_any_line() {
        let text = "ä".repeat(1_000_000);
        for span in [0..1, 999_999..1_000_001, 1_999_999..2_000_000, 2_000_000..2_000_005] {
            assert!(Problem::new("a.toml", &text, span, &text).to_string().len() < 4_000);
        }
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["count", "threads", "connect_timeout"];
        assert_eq!(nearest("cuont", &known), Some("count"));
        assert_eq!(nearest("thread", &known), Some("threads"));
        assert_eq!(nearest("banana", &known), None);
        assert_eq!(nearest(&"count".repeat(100_000), &known), None);
    }
}
