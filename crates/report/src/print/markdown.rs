//! A report as Markdown, as pull requests show it: the answer in the first line, then the figures that matter, then what
//! folds away.
//!
//! Invariant: no text of a scenario can leave its cell.

use super::table::between;
use super::text::{bars, sparks};
use crate::report::Document;
use crate::report::document::{
    Block, Depth, Heading, Kind, Mark, NOTHING, Row, Section, Span, Status, Table, Words,
};
use zload_core::text::shown;

/// Columns of what is drawn with characters.
const WIDTH: usize = 90;

/// The report; of its sections all but those with the answer are folded away.
pub fn markdown(report: &Document) -> String {
    let status =
        report.sections.iter().flat_map(|section| &section.blocks).find_map(Block::as_status);
    let answer = status.map_or_else(String::new, |of| match of.word.as_str() {
        "" => format!(" · {}", words(&of.meaning)),
        word => format!(" · {}: {}", safe(word), words(&of.meaning)),
    });
    let mut text = format!("**{}**{answer}\n", words(&report.title));
    if !report.lead.is_empty() {
        text += &format!("\n{}\n", begin(&safe(&report.lead)));
    }
    let sections = report.sections.iter().map(|section| of_section(section, status));
    text + &sections.collect::<String>()
}

/// A section, without the answer that is in the first line.
fn of_section(section: &Section, first: Option<&Status>) -> String {
    let is_first = |block: &Block| {
        block.as_status().zip(first).is_some_and(|(of, first)| std::ptr::eq(of, first))
    };
    let blocks = of_blocks(section.blocks.iter().filter(|block| !is_first(block)));
    let heading = match &section.heading {
        Heading::None => None,
        Heading::Words(words) => Some(words.clone()),
        Heading::Title(words) => Some((*words).into()),
    };
    match heading {
        _ if blocks.is_empty() => blocks,
        None => format!("\n{blocks}"),
        Some(heading) if section.depth == Depth::Answer => {
            format!("\n### {}\n\n{blocks}", words(&heading))
        }
        Some(heading) => format!("\n{}", folded(&heading, &blocks)),
    }
}

fn of_blocks<'a>(blocks: impl IntoIterator<Item = &'a Block>) -> String {
    let blocks = blocks.into_iter().map(of_block);
    blocks.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

fn of_block(block: &Block) -> String {
    match block {
        Block::Status(Status { of: Some(of), word, meaning, .. }) => {
            format!("**{}** · {}: {}\n", words(of), safe(word), words(meaning))
        }
        Block::Status(Status { word, meaning, .. }) => {
            format!("**{}**: {}\n", safe(word), words(meaning))
        }
        Block::Sentence(_, sentence) => format!("{}\n", begin(&words(sentence))),
        Block::Subheading(heading) => format!("**{}**\n", words(heading)),
        Block::List(items) => items.iter().map(|(mark, of)| item(*mark, of)).collect(),
        Block::Settings(rows) => {
            let rows = rows.iter().map(|(name, of)| row(&[words(name), words(of)]));
            format!("| | |\n|---|---|\n{}", rows.collect::<String>())
        }
        Block::Figures(figures, meaning) => {
            let names: Vec<String> = figures.iter().map(|(name, ..)| safe(name)).collect();
            let values: Vec<String> = figures.iter().map(|(_, figure, _)| words(figure)).collect();
            let line = "|--:".repeat(figures.len());
            format!("{}{line}|\n{}\n{}\n", row(&names), row(&values), words(meaning))
        }
        Block::Table(table) => of_table(table),
        Block::Verbatim(text) => verbatim(text),
        Block::Bars(of) => verbatim(&bars(of, WIDTH)),
        Block::Sparks(of) => verbatim(&sparks(of, WIDTH)),
        Block::Folded(summary, blocks) => folded(summary, &of_blocks(blocks)),
        Block::Plot(_) => String::new(),
    }
}

fn words(words: &Words) -> String {
    let span = |span: &Span| match span {
        Span::Text(text) => safe(text),
        Span::Strong(text) | Span::Alarm(.., text) => format!("**{}**", safe(text)),
        Span::Name(text) | Span::Code(text) => code(text),
        _ => safe(span.plain()),
    };
    words.0.iter().map(span).collect()
}

fn item(mark: Mark, of: &Words) -> String {
    match mark {
        Mark::Dot | Mark::Bullet | Mark::Unknown | Mark::Uncertain => {
            format!("- {}\n", begin(&words(of)))
        }
        Mark::Pass | Mark::Warn | Mark::Fail => format!("- {} {}\n", mark.sign(), words(of)),
    }
}

/// The rows, then what the figures alone do not say. Effects are not drawn: their figures say them.
fn of_table(table: &Table) -> String {
    let shown = || table.columns.iter().enumerate().filter(|(_, of)| of.kind != Kind::Effect);
    let headings: Vec<String> = shown().map(|(_, column)| words(&column.heading)).collect();
    let is_words = |kind: Kind| matches!(kind, Kind::Words | Kind::Group);
    let sides = shown().map(|(_, of)| if is_words(of.kind) { "|---" } else { "|--:" });
    let rows = table.rows.iter().map(|of| row(&cells(of, shown().map(|(column, _)| column))));
    let said = table.rows.iter().filter_map(|row| match &row.said {
        Some((said, true)) => Some(format!("- **{}**: {}\n", words(&row.cells[0]), words(said))),
        _ => None,
    });
    let said: String = said.collect();
    let gap = if said.is_empty() { "" } else { "\n" };
    let (sides, rows): (String, String) = (sides.collect(), rows.collect());
    format!("{}{sides}|\n{rows}{gap}{said}", row(&headings))
}

/// The cells of a row in these columns, each with its ranges behind it.
fn cells(row: &Row, columns: impl Iterator<Item = usize>) -> Vec<String> {
    let cell = |column: usize| {
        let ranges = row.ranges.iter().filter_map(|range| {
            let ends = range.ends.get(column)?.as_ref()?;
            Some(format!("{}{}", range.short, between(ends)))
        });
        let ranges = ranges.collect::<Vec<_>>().join("; ");
        let part = if row.is_part && column == 0 { "· " } else { "" };
        let ranges = if ranges.is_empty() { ranges } else { format!(" ({ranges})") };
        format!("{part}{}{ranges}", words(&row.cells[column]))
    };
    columns.map(cell).collect()
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// The blank lines make what is folded Markdown again.
fn folded(summary: &Words, text: &str) -> String {
    let summary = escaped(&shown(&summary.plain()), "(),.:;%-");
    format!("<details><summary>{summary}</summary>\n\n{text}\n</details>\n")
}

/// A text of several lines as it is, between fences that are longer than any in it.
fn verbatim(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let lines: String = text.lines().map(|line| format!("{}\n", shown(line))).collect();
    format!("{fence}\n{lines}{fence}\n")
}

/// A text in HTML, all of whose signs mean themselves; `plain` ones are no tag, link or mention anyway.
fn escaped(text: &str, plain: &str) -> String {
    let escaped = |sign: char| match sign {
        sign if sign.is_ascii_punctuation() && !plain.contains(sign) => {
            format!("&#{};", u32::from(sign))
        }
        sign => sign.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Text that means nothing but itself, on one line. A word that a reader of Markdown may turn into a link or a mention
/// is code: those readers look at what is left when all escapes are gone.
fn safe(text: &str) -> String {
    let words: Vec<String> = text.split(' ').map(alone).collect();
    words.join(" ")
}

fn alone(word: &str) -> String {
    const LINKS: [&str; 7] = ["@", "#", "://", "www.", "mailto:", "xmpp:", "$"];
    let lower = word.to_lowercase();
    let issue = lower.trim_start_matches(|c: char| !c.is_alphanumeric()).starts_with("gh-");
    if issue || LINKS.iter().any(|link| lower.contains(link)) {
        // As endpoints in a list.
        return word.strip_suffix(',').map_or_else(|| code(word), |word| code(word) + ",");
    }
    let edge = word.starts_with('_') || word.ends_with('_');
    let mut safe = String::new();
    for sign in shown(word).chars() {
        if r"\|<`*[&~".contains(sign) || edge && sign == '_' {
            safe.push('\\');
        }
        safe.push(sign);
    }
    safe
}

/// The start of a paragraph, which is not a heading, quotation or list.
fn begin(safe: &str) -> String {
    let text = safe.trim_start();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match text[digits..].chars().next() {
        Some('>' | '-' | '+' | '=') if digits == 0 => format!("\\{text}"),
        Some('.' | ')') if digits > 0 => format!("{}\\{}", &text[..digits], &text[digits..]),
        _ => text.to_owned(),
    }
}

/// A name as code, in which nothing is a link, a mention or anything else than itself.
fn code(name: &str) -> String {
    let name = shown(name);
    if name.is_empty() {
        return NOTHING.to_owned();
    }
    if !name.contains(['`', '|', '\\']) {
        return format!("`{name}`");
    }
    // In a cell of a table these have no escape in a span of code.
    format!("<code>{}</code>", escaped(&name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_be_a_link_or_call_somebody_is_code() {
        for (text, shown) in [
            ("ask @octocat in #1", "ask `@octocat` in `#1`"),
            ("at tcp://a:1, tcp://b:2", "at `tcp://a:1`, `tcp://b:2`"),
            ("http://a.b www.a.b GH-1 (gh-2)", "`http://a.b` `www.a.b` `GH-1` `(gh-2)`"),
            ("high-water <b> *x* _x_ a_b", r"high-water \<b> \*x\* \_x\_ a_b"),
            ("a`@b", "<code>a&#96;&#64;b</code>"),
            ("a\u{202e}\nb", r"a\\u{202e}\\u{a}b"),
        ] {
            assert_eq!(safe(text), shown);
        }
        assert_eq!(["> a", "- a", "12. a", "a"].map(begin), [r"\> a", r"\- a", r"12\. a", "a"]);
        assert_eq!(["a", "", "a|b"].map(code), ["`a`", "–", "<code>a&#124;b</code>"]);
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_cell(text in ".*\\|.*|.*\n.*|.*") {
            let row = row(&[safe(&text), "x".to_owned()]);
            prop_assert_eq!(row.lines().count(), 1);
            // Every second backslash of a run escapes the first, so an odd number before a bar escapes the bar.
            let mut bars = 0;
            let mut escaped = false;
            for sign in row.chars() {
                bars += u32::from(sign == '|' && !escaped);
                escaped = sign == '\\' && !escaped;
            }
            prop_assert_eq!(bars, 3);
        }
    }
}
