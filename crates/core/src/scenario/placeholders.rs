//! Placeholders in a text that the user wrote: names in braces. Pure.
//!
//! `{word}` is a placeholder, and `{{word}}` the text `{word}`; braces around anything but one lower-case word are text, so
//! JSON and most scripts pass as they are.

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// What stood between two pairs of braces, with one pair.
    Escaped(&'a str),
    /// What stood between braces.
    Name(&'a str),
}

/// The parts of a text, in order.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        pieces.push(Piece::Text(&rest[..at]));
        let (piece, length) = braced(&rest[at..]);
        pieces.push(piece);
        rest = &rest[at + length..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// What starts at an opening brace, and its length.
fn braced(text: &str) -> (Piece<'_>, usize) {
    let word = |text: &str| {
        let length = text.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(0);
        (length > 0).then_some(length)
    };
    if let Some(inner) = text.strip_prefix("{{")
        && let Some(length) = word(inner)
        && inner[length..].starts_with("}}")
    {
        return (Piece::Escaped(&text[1..length + 3]), length + 4);
    }
    if let Some(length) = word(&text[1..])
        && text[length + 1..].starts_with('}')
    {
        return (Piece::Name(&text[1..=length]), length + 2);
    }
    (Piece::Text(&text[..1]), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_of_a_text_is_lost(text in "([{}a-c_ä ]|\\{frontend\\}){0,12}") {
            let written = pieces(&text).into_iter().map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Escaped(text) | Piece::Name(text) => format!("{{{text}}}"),
            });
            prop_assert_eq!(written.collect::<String>(), text);
        }
    }
}
