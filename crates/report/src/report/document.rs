//! A report as a value: what is said, in which order, and which field of the result each number is.
//!
//! Printers decide the format and add no words, so that all of them say the same. Invariant: plain data; every
//! text in it may be foreign, and the printer makes it safe.

use super::plot::Plot;

/// A whole report.
#[derive(Debug, Clone)]
pub struct Document {
    pub(crate) title: Words,
    /// The same in a sentence, if its author wrote one.
    pub(crate) lead: String,
    /// The answer, beside the title where only one line is seen, and how good it is.
    pub(crate) word: String,
    pub(crate) tone: Tone,
    /// The version of zload that measured.
    pub(crate) made_by: String,
    /// When, with which version and where, below the title of a page that is sent around.
    pub(crate) origin: String,
    /// The command line, if it is known.
    pub(crate) command: String,
    pub(crate) sections: Vec<Section>,
    /// What fits on one screen of a terminal, of reports that are longer.
    pub(crate) short: Vec<Section>,
}

/// What is said about one thing.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// Its name in a page.
    pub(crate) id: String,
    pub(crate) heading: Heading,
    pub(crate) depth: Depth,
    pub(crate) blocks: Vec<Block>,
}

/// What is above a section.
#[derive(Debug, Clone)]
pub(crate) enum Heading {
    /// Nothing: its first block says it all.
    None,
    Words(Words),
    /// The title of the report, or these words where that is above everything.
    Title(&'static str),
}

/// In which reports a section is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The answer and the figures that matter: always shown.
    Answer,
    /// What is behind it: folded away where a report is one of many.
    Detail,
    /// What is looked up: text on a terminal leaves it to the other forms.
    Appendix,
}

/// A part of a section.
#[derive(Debug, Clone)]
pub(crate) enum Block {
    Status(Status),
    Sentence(Tone, Words),
    Subheading(Words),
    /// Sentences, each with its mark.
    List(Vec<(Mark, Words)>),
    /// Names and what is said of each.
    Settings(Vec<(Words, Words)>),
    /// The main figures, which are below, too: a name and a figure each, and what they are.
    Figures(Vec<(&'static str, Words, Tone)>, Words),
    Table(Table),
    /// A text of several lines as it is.
    Verbatim(String),
    /// A picture, for printers that draw.
    Plot(Plot),
    /// A distribution as bars of characters, for those that do not.
    Bars(Vec<Bar>),
    /// Figures over time as rows of characters, for the same.
    Sparks(Vec<Spark>),
    /// Details for few readers; the words say what it is.
    Folded(Words, Vec<Block>),
}

/// The answer of a report.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    /// Whose answer it is, if the word alone does not say it.
    pub(crate) of: Option<Words>,
    pub(crate) word: String,
    pub(crate) meaning: Words,
    pub(crate) tone: Tone,
}

/// The meaning of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// Beside the point.
    Note,
    Good,
    Doubt,
    /// Something that must not be missed.
    Alarm,
}

/// What is before a sentence of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Pass,
    Warn,
    Fail,
    /// Unknown.
    Unknown,
    /// It is said and not judged.
    Dot,
    /// A remark.
    Bullet,
    /// It was seen and is no estimate.
    Uncertain,
}

/// Words with what they are made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Words(pub(crate) Vec<Span>);

/// A part of words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Span {
    Text(String),
    Strong(String),
    /// A name that a user gave.
    Name(String),
    /// A key, a hash or a command.
    Code(String),
    /// A side of a comparison: its letter, and its name.
    Side(&'static str, String),
    /// A figure: its field, its value as JSON has it, and how people read it.
    Value(String, String, String),
    /// The same for what should be 0 and is not.
    Alarm(String, String, String),
    /// A figure that there is not.
    Nothing,
    /// Words that are good or bad.
    Toned(Tone, String),
    /// A difference, which is drawn.
    Effect(Effect),
    Mark(Mark),
}

/// Rows and columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    /// Its name in a page, if it has one.
    pub(crate) id: &'static str,
    pub(crate) columns: Vec<Column>,
    /// The rows, each with as many cells as there are columns.
    pub(crate) rows: Vec<Row>,
}

/// A column of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Column {
    pub(crate) heading: Words,
    pub(crate) kind: Kind,
    /// Characters that it is at least wide.
    pub(crate) least: usize,
    /// Whether it is among the few that a narrow page shows first.
    pub(crate) is_main: bool,
}

/// What is in a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Figures, which end at its right.
    #[default]
    Figures,
    /// Words, which start at its left.
    Words,
    /// Figures that belong to those of the column before it.
    Beneath,
    /// What the rows of one group have in common.
    Group,
    /// Effects, which are drawn where there is room.
    Effect,
}

/// A row of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    /// Whether it takes a part out of the row before it.
    pub(crate) is_part: bool,
    /// Whether it is the one that matters.
    pub(crate) is_primary: bool,
    pub(crate) cells: Vec<Words>,
    pub(crate) ranges: Vec<Range>,
    /// The heading of all rows of its group.
    pub(crate) group: &'static str,
    /// What is said of it, and whether its figures alone would be misread.
    pub(crate) said: Option<(Words, bool)>,
}

/// A range of each of the figures in a row.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    /// What is before the lower ends, and before the upper ones.
    pub(crate) names: [&'static str; 2],
    /// What is before both ends together, if it is not the first range.
    pub(crate) short: &'static str,
    /// The ends in each column.
    pub(crate) ends: Vec<Option<[String; 2]>>,
}

/// A difference in per cent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Effect {
    /// What was found, if anything.
    pub(crate) percent: Option<f64>,
    pub(crate) ends: Option<[f64; 2]>,
    /// What counts as no difference.
    pub(crate) margin: f64,
}

/// A bucket of a distribution.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) ends: [String; 2],
    /// How many are in it, as a share of the fullest, and as a number.
    pub(crate) share: f64,
    pub(crate) count: String,
    /// How many are in it and in those below it, in per cent.
    pub(crate) up_to: String,
}

/// A figure over time.
#[derive(Debug, Clone)]
pub(crate) struct Spark {
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
    /// The least and the most of them, in words.
    pub(crate) range: String,
}

impl Document {
    /// A report without an answer in a word.
    pub(super) fn new(
        title: Words,
        made_by: &str,
        sections: impl IntoIterator<Item = Section>,
    ) -> Self {
        let sections = sections.into_iter().collect();
        Self {
            title,
            lead: String::new(),
            word: String::new(),
            tone: Tone::Plain,
            made_by: made_by.to_owned(),
            origin: String::new(),
            command: String::new(),
            sections,
            short: Vec::new(),
        }
    }
}

impl Section {
    pub(super) fn new(
        id: &str,
        heading: impl Into<Words>,
        depth: Depth,
        blocks: Vec<Block>,
    ) -> Self {
        Self { heading: Heading::Words(heading.into()), ..Self::bare(id, depth, blocks) }
    }

    /// Whether figures in it are marked as no estimates.
    pub(super) fn is_marked(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block, Block::Table(table) if table.is_marked()))
    }

    /// A section without a heading.
    pub(super) fn bare(id: &str, depth: Depth, blocks: Vec<Block>) -> Self {
        Self { id: id.to_owned(), heading: Heading::None, depth, blocks }
    }
}

impl Block {
    pub(super) fn sentence(words: impl Into<Words>) -> Self {
        Self::Sentence(Tone::Plain, words.into())
    }

    pub(super) fn note(words: impl Into<Words>) -> Self {
        Self::Sentence(Tone::Note, words.into())
    }

    pub(super) fn alarm(words: impl Into<Words>) -> Self {
        Self::Sentence(Tone::Alarm, words.into())
    }

    /// Remarks, if there are any.
    pub(super) fn remarks(mark: Mark, remarks: &[String]) -> Option<Self> {
        let list = || remarks.iter().map(|remark| (mark, remark.as_str().into())).collect();
        (!remarks.is_empty()).then(|| Self::List(list()))
    }

    /// The answer, if it is one.
    pub(crate) fn as_status(&self) -> Option<&Status> {
        if let Self::Status(status) = self { Some(status) } else { None }
    }
}

impl Words {
    /// These words and those behind them.
    pub(crate) fn and(mut self, more: impl Into<Self>) -> Self {
        self.0.extend(more.into().0);
        self
    }

    /// The words without what they are made of.
    pub(crate) fn plain(&self) -> String {
        self.0.iter().map(Span::plain).collect()
    }

    /// The same with sides by their names.
    pub(crate) fn named(&self) -> String {
        let span = |span: &Span| match span {
            Span::Side(_, name) => name.clone(),
            span => span.plain().to_owned(),
        };
        self.0.iter().map(span).collect()
    }
}

impl Span {
    pub(super) fn strong(words: impl Into<String>) -> Self {
        Self::Strong(words.into())
    }

    pub(super) fn name(name: &str) -> Self {
        Self::Name(name.to_owned())
    }

    pub(super) fn code(code: &str) -> Self {
        Self::Code(code.to_owned())
    }

    pub(super) fn side(letter: &'static str, name: &str) -> Self {
        Self::Side(letter, name.to_owned())
    }

    /// The words without what they are.
    pub(crate) fn plain(&self) -> &str {
        match self {
            Self::Text(text)
            | Self::Strong(text)
            | Self::Name(text)
            | Self::Code(text)
            | Self::Toned(_, text)
            | Self::Value(.., text)
            | Self::Alarm(.., text) => text,
            Self::Side(letter, _) => letter,
            Self::Nothing => NOTHING,
            Self::Effect(_) => "",
            Self::Mark(mark) => mark.sign(),
        }
    }
}

/// Shown where a figure is null.
pub(crate) const NOTHING: &str = "–";

impl Mark {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Pass => "✓",
            Self::Warn => "!",
            Self::Fail => "✗",
            Self::Unknown => "?",
            Self::Dot => "·",
            Self::Bullet => "•",
            Self::Uncertain => "~",
        }
    }
}

impl<T: Into<String>> From<T> for Words {
    fn from(text: T) -> Self {
        Span::Text(text.into()).into()
    }
}

impl From<Span> for Words {
    fn from(span: Span) -> Self {
        Self(vec![span])
    }
}

impl Table {
    /// A table without rows: a column of names, then columns of figures.
    pub(super) fn of<T: Into<Words>>(headings: impl IntoIterator<Item = T>) -> Self {
        let kinds = std::iter::once(Kind::Words).chain(std::iter::repeat(Kind::Figures));
        let column = |(heading, kind): (T, Kind)| Column {
            heading: heading.into(),
            kind,
            ..Column::default()
        };
        let columns = headings.into_iter().zip(kinds).map(column).collect();
        Self { columns, ..Self::default() }
    }

    /// A table of words without headings, each column at least this wide.
    pub(super) fn of_words(least: impl IntoIterator<Item = usize>) -> Self {
        let column = |least| Column { kind: Kind::Words, least, ..Column::default() };
        Self { columns: least.into_iter().map(column).collect(), ..Self::default() }
    }

    pub(super) fn rows(self, rows: impl IntoIterator<Item = Row>) -> Self {
        Self { rows: rows.into_iter().collect(), ..self }
    }

    /// Whether anything is above the columns.
    pub(crate) fn has_headings(&self) -> bool {
        self.columns.iter().any(|column| column.heading.plain() != "")
    }

    /// Whether figures in it are marked as no estimates.
    pub(super) fn is_marked(&self) -> bool {
        let mut spans = self.rows.iter().flat_map(|row| &row.cells).flat_map(|cell| &cell.0);
        spans.any(|span| *span == Span::Mark(Mark::Uncertain))
    }

    /// The effects that are drawn in it.
    pub(crate) fn effects(&self) -> impl Iterator<Item = &Effect> {
        let spans = self.rows.iter().flat_map(|row| &row.cells).flat_map(|cell| &cell.0);
        spans.filter_map(|span| if let Span::Effect(effect) = span { Some(effect) } else { None })
    }
}

impl Row {
    pub(super) fn of<T: Into<Words>>(cells: impl IntoIterator<Item = T>) -> Self {
        Self { cells: cells.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// Words of several parts.
macro_rules! words {
    ($first:expr $(, $more:expr)* $(,)?) => {
        $crate::report::document::Words::from($first)$(.and($more))*
    };
}
pub(super) use words;
