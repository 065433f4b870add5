//! A report as text for a terminal: lines of its width, headings in bold, tables that line up.

use super::style::Style;
use super::table;
use crate::report::Document;
use crate::report::document::{
    Bar, Block, Depth, Heading, Mark, Section, Spark, Status, Table, Tone, Words,
};
use zload_core::quantity::index;
use zload_core::text::{shown, without_commands};

/// Blanks before a sentence below a heading.
const INDENT: usize = 2;
/// Blanks before what follows the mark of a sentence.
const MARK_INDENT: usize = 4;
/// Characters of the name of a setting, and blanks before what is said of it.
const NAME: usize = 10;
const SETTING_INDENT: usize = INDENT + NAME;
/// A title of which less than this is left is on its own line.
const LEAST_TITLE: usize = 20;
/// The longest bar of a distribution, and the longest line of bars over time, which is condensed beyond.
const LONGEST_BAR: usize = 36;
const LONGEST_LINE: usize = 50;
/// Columns that a bar or a line of bars leaves to what is beside it.
const BESIDE: usize = 42;

/// The report, without what is looked up in other forms: what fits on a screen, if there is such a form of it and the
/// style does not ask for all.
pub fn text(document: &Document, style: Style) -> String {
    let is_short = !style.is_verbose() && !document.short.is_empty();
    let (head, sections) = if is_short {
        (headline(document, style), &document.short)
    } else {
        (String::new(), &document.sections)
    };
    let shown = sections.iter().filter(|section| section.depth != Depth::Appendix);
    let sections: Vec<String> = shown
        .map(|section| of_section(document, section, if is_short { INDENT } else { 0 }, style))
        .filter(|text| !text.is_empty())
        .collect();
    // What is painted comes from here, and all else was made safe: what is left is what a log takes for a command.
    without_commands(&(head + &sections.join("\n"))).into_owned()
}

/// The title at the left and the answer at the right, on one line unless the answer alone fills it.
fn headline(document: &Document, style: Style) -> String {
    let Document { title, lead, word, tone, .. } = document;
    let title = if lead.is_empty() { title.named() } else { format!("{}: {lead}", title.named()) };
    let (title, word) = (shown(&title), shown(word));
    if word.is_empty() {
        // The title is the answer, all of it.
        return style.toned(*tone, &style.wrapped(&title, 0)) + "\n";
    }
    let room = style.width().saturating_sub(word.chars().count() + 2);
    let answer = style.toned(*tone, &word);
    if room < LEAST_TITLE {
        return format!("{}\n{answer}\n", style.heading(&style.wrapped(&title, 0)));
    }
    let mut title: String = title.into_owned();
    if title.chars().count() > room {
        title = title.chars().take(room - 1).chain(['…']).collect();
    }
    let blanks = " ".repeat(room + 2 - title.chars().count());
    format!("{}{blanks}{answer}\n", style.heading(&title))
}

/// A section, or nothing if it has nothing but what is drawn; one without a heading is indented by `bare` blanks.
fn of_section(document: &Document, section: &Section, bare: usize, style: Style) -> String {
    let (heading, indent) = match &section.heading {
        Heading::None => (String::new(), bare),
        Heading::Words(words) => (style.heading(&style.words(words, 0)) + "\n", INDENT),
        Heading::Title(_) => (of_title(document, style), INDENT),
    };
    let blocks: String =
        section.blocks.iter().map(|block| of_block(block, indent, style)).collect();
    if blocks.is_empty() { blocks } else { heading + &blocks }
}

fn of_title(document: &Document, style: Style) -> String {
    let title = document.title.plain();
    let lead = match document.lead.as_str() {
        "" => String::new(),
        lead => format!(" · {}", style.wrapped(lead, title.chars().count() + 3)),
    };
    format!("{}{lead}\n", style.heading(&shown(&title)))
}

fn of_block(block: &Block, indent: usize, style: Style) -> String {
    match block {
        Block::Status(status) => of_status(status, style),
        Block::Sentence(tone, words) => {
            let sentence = style.toned(*tone, &style.words(words, indent));
            format!("{:indent$}{sentence}\n", "")
        }
        Block::Subheading(words) => format!("{}\n", style.heading(&style.words(words, 0))),
        Block::List(items) => items.iter().map(|(mark, words)| item(*mark, words, style)).collect(),
        Block::Settings(rows) => {
            rows.iter().map(|(name, words)| setting(name, words, style)).collect()
        }
        Block::Table(table) => of_table(table, style),
        Block::Verbatim(text) => text.lines().map(|line| format!("  {}\n", shown(line))).collect(),
        Block::Bars(of) => bars(of, style.width()),
        Block::Sparks(of) => sparks(of, style.width()),
        Block::Folded(summary, _) => item(Mark::Dot, summary, style),
        // What a page draws or shows in large is here in tables.
        Block::Plot(_) | Block::Figures(..) => String::new(),
    }
}

fn of_status(status: &Status, style: Style) -> String {
    let Status { of, word, meaning, tone } = status;
    let said = |text: &str| match tone {
        Tone::Plain | Tone::Note => style.heading(text),
        tone => style.toned(*tone, text),
    };
    match of {
        Some(of) => {
            let answer = said(&style.wrapped(&format!("{}: {word}", of.plain()), 0));
            format!("{answer}\n  {}\n", style.words(meaning, INDENT))
        }
        None if word.is_empty() => said(&style.words(meaning, 0)) + "\n",
        None => said(&style.wrapped(&format!("{word}: {}", meaning.plain()), 0)) + "\n",
    }
}

fn item(mark: Mark, words: &Words, style: Style) -> String {
    format!("  {} {}\n", style.marked(mark), style.words(words, MARK_INDENT))
}

/// A name and what is said of it.
fn setting(name: &Words, words: &Words, style: Style) -> String {
    format!("  {:<NAME$}{}\n", shown(&name.plain()), style.words(words, SETTING_INDENT))
}

/// The rows below the headings of their groups, then what the figures alone do not say.
fn of_table(table: &Table, style: Style) -> String {
    let line = |(group, line): (Option<&str>, String)| {
        let group = group.map_or_else(String::new, |group| style.heading(group) + "\n");
        format!("{group}{line}\n")
    };
    let said = table.rows.iter().filter_map(|row| match &row.said {
        Some((words, true)) => {
            let sentence = format!("{}: {}", row.cells[0].plain(), words.plain());
            Some(format!("  {}\n", style.wrapped(&sentence, INDENT)))
        }
        _ => None,
    });
    table::lines(table, style).into_iter().map(line).chain(said).collect()
}

/// A line for each bucket of a distribution.
pub(super) fn bars(bars: &[Bar], width: usize) -> String {
    let longest = width.saturating_sub(BESIDE).min(LONGEST_BAR);
    let line = |bar: &Bar| {
        let [low, high] = &bar.ends;
        let drawn = eighths(bar.share, longest);
        format!("  {low:>7} – {high:<7} {drawn:<longest$} {:>9}  {:>8}\n", bar.count, bar.up_to)
    };
    bars.iter().map(line).collect()
}

/// A line for each figure over time.
pub(super) fn sparks(sparks: &[Spark], width: usize) -> String {
    let longest = width.saturating_sub(BESIDE).min(LONGEST_LINE);
    let line = |spark: &Spark| {
        format!("  {:<NAME$}{}  {}\n", spark.name, sparkline(&spark.values, longest), spark.range)
    };
    sparks.iter().map(line).collect()
}

/// A bar for a share of the longest, in eighths of a column; something for anything.
fn eighths(share: f64, longest: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = index((share * longest as f64 * 8.0).round());
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// Values as a row of bars from 0 to the largest; groups stand for their largest where there are too many.
fn sparkline(values: &[f64], longest: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let group = values.len().div_ceil(longest).max(1);
    let condensed: Vec<f64> =
        values.chunks(group).map(|chunk| chunk.iter().copied().fold(0.0, f64::max)).collect();
    let most = condensed.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    condensed.iter().map(|value| BARS[index((value / most * 8.0).ceil()).clamp(1, 8) - 1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(eighths(0.0, 36), "");
        assert_eq!(eighths(1e-9, 36), "▏");
        assert_eq!(eighths(0.5, 36).chars().count(), 18);
        assert_eq!(eighths(1.0, 36).chars().count(), 36);
    }
}
