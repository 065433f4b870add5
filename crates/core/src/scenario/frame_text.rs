//! One frame of a request, as the user writes it: text with placeholders, `hex:…` or `file:…`. Pure.

use super::placeholders::{Piece, pieces};

/// The frame's content is these bytes, in hexadecimal digits.
const HEX: &str = "hex:";
/// The frame's content is that of this file.
const FILE: &str = "file:";

/// What a frame is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameText<'a> {
    /// Parts that are written one after the other.
    Parts(Vec<FramePart>),
    /// The content of the file at this path.
    File(&'a str),
}

/// A part of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FramePart {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A value that each request has for itself.
    Value(Placeholder),
}

/// What a placeholder in a frame is replaced by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The generated body, of the size that `load.payload` says.
    Body,
    /// The request's own token: 32 ASCII characters.
    Id,
    /// The request's own header: 24 bytes, which the server returns in a frame of its own.
    Tag,
    /// The client's number, from 0, in decimal digits.
    Client,
    /// The request's number at its client, from 0, in decimal digits.
    Number,
    /// Filling, so that all frames together have the size that `load.payload` says.
    Pad,
}

impl Placeholder {
    /// All of them, with their names.
    const NAMES: [(&'static str, Self); 6] = [
        ("body", Self::Body),
        ("id", Self::Id),
        ("tag", Self::Tag),
        ("client", Self::Client),
        ("number", Self::Number),
        ("pad", Self::Pad),
    ];
}

impl<'a> FrameText<'a> {
    /// Reads a frame; the error says what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix(FILE) {
            return if path.is_empty() {
                Err("file: needs a path".to_owned())
            } else {
                Ok(Self::File(path))
            };
        }
        if let Some(digits) = text.strip_prefix(HEX) {
            return Ok(Self::Parts(vec![FramePart::Bytes(from_hex(digits)?)]));
        }
        let mut parts: Vec<FramePart> = Vec::new();
        for piece in pieces(text) {
            match (piece, parts.last_mut()) {
                (Piece::Text(""), _) => {}
                (Piece::Text(text) | Piece::Escaped(text), Some(FramePart::Bytes(bytes))) => {
                    bytes.extend_from_slice(text.as_bytes());
                }
                (Piece::Text(text) | Piece::Escaped(text), _) => {
                    parts.push(FramePart::Bytes(text.as_bytes().to_vec()));
                }
                (Piece::Name(name), _) => {
                    let known = Placeholder::NAMES.iter().find(|(known, _)| *known == name);
                    let (_, value) = known.ok_or_else(|| unknown(name))?;
                    parts.push(FramePart::Value(*value));
                }
            }
        }
        Ok(Self::Parts(parts))
    }

    /// Whether this placeholder is in it.
    pub fn has(&self, placeholder: Placeholder) -> bool {
        matches!(self, Self::Parts(parts) if parts.contains(&FramePart::Value(placeholder)))
    }

    /// Whether it is this placeholder and nothing else.
    pub fn is(&self, placeholder: Placeholder) -> bool {
        matches!(self, Self::Parts(parts) if parts[..] == [FramePart::Value(placeholder)])
    }
}

/// The bytes of a text that may be written as `hex:…`; placeholders are text.
pub fn bytes_of(text: &str) -> Result<Vec<u8>, String> {
    text.strip_prefix(HEX).map_or_else(|| Ok(text.as_bytes().to_vec()), from_hex)
}

fn from_hex(digits: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = digits.bytes().filter(|digit| *digit != b' ').collect();
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(value(high)? << 4 | value(low)?).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    bytes.ok_or_else(|| "hex: needs pairs of hexadecimal digits, as in \"hex:00 ff\"".to_owned())
}

fn unknown(name: &str) -> String {
    let known = Placeholder::NAMES.map(|(name, _)| format!("{{{name}}}")).join(", ");
    format!(
        "unknown placeholder {{{name}}}; there are {known}; write {{{{{name}}}}} for the text {{{name}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> Vec<FramePart> {
        match FrameText::parse(text) {
            Ok(FrameText::Parts(parts)) => parts,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_frame_is_text_with_placeholders_bytes_or_a_file() {
        let bytes = |text: &str| FramePart::Bytes(text.as_bytes().to_vec());
        assert_eq!(parts(""), []);
        assert_eq!(
            parts(r#"{"id":"{id}","x":{"y":{{id}}}}"#),
            [bytes(r#"{"id":""#), FramePart::Value(Placeholder::Id), bytes(r#"","x":{"y":{id}}}"#)]
        );
        assert_eq!(parts("hex:00 Ff"), [FramePart::Bytes(vec![0, 255])]);
        assert_eq!(FrameText::parse("file:a b.bin"), Ok(FrameText::File("a b.bin")));
        assert!(FrameText::parse("{tag}").unwrap().is(Placeholder::Tag));
        assert!(!FrameText::parse("{tag}.").unwrap().is(Placeholder::Tag));
        assert!(FrameText::parse("{tag}.").unwrap().has(Placeholder::Tag));
        for (text, reason) in [
            ("{ide}", "unknown placeholder {ide}"),
            ("hex:0", "pairs"),
            ("hex:0g", "pairs"),
            ("hex:é", "pairs"),
            ("file:", "path"),
        ] {
            assert!(FrameText::parse(text).unwrap_err().contains(reason), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_frame_or_an_error(text in "\\PC{0,40}") {
            let _either = FrameText::parse(&text);
        }

        #[test]
        fn hexadecimal_digits_are_bytes(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(bytes_of(&format!("hex:{digits}")), Ok(bytes));
        }
    }
}
