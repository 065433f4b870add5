//! The frames of a request, made ready to be written for each. Pure.

use std::sync::Arc;

use super::header::{HEADER_SIZE, Header};
use super::id::{ID_SIZE, Id};
use crate::scenario::{Files, FramePart, FrameText, Placeholder};

/// What a generated body or a pad holds.
pub const FILLING: u8 = b'.';

/// What one request has for itself.
#[derive(Debug, Clone, Copy)]
pub struct Values {
    /// Its header.
    pub header: Header,
    /// Its client's number.
    pub client: u32,
    /// The size that the plan gives to its generated body, or to all frames together where one has a pad.
    pub payload: usize,
}

/// The frames of a request.
#[derive(Debug, Clone)]
pub struct RequestForm {
    frames: Vec<FrameForm>,
    padded: bool,
}

/// A frame of a request.
#[derive(Debug, Clone)]
pub struct FrameForm {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Bytes(Arc<[u8]>),
    Value(Placeholder),
}

impl RequestForm {
    /// Makes frames ready. Panics if one is not valid, or its file is not there: a scenario that was read has none such.
    pub(super) fn new(frames: &[&str], files: &Files) -> Self {
        let frames: Vec<FrameForm> =
            frames.iter().map(|frame| FrameForm::new(frame, files)).collect();
        let is_pad = |part: &Part| matches!(part, Part::Value(Placeholder::Pad));
        let padded = frames.iter().any(|frame| frame.parts.iter().any(is_pad));
        Self { frames, padded }
    }

    /// Its frames.
    #[inline]
    pub fn frames(&self) -> &[FrameForm] {
        &self.frames
    }

    /// A request, frame by frame.
    pub fn render(&self, values: &Values) -> Vec<Vec<u8>> {
        let pad = self.pad(values);
        let frame = |frame: &FrameForm| {
            let mut bytes = vec![0; frame.size(values, pad)];
            frame.write(values, pad, &mut bytes);
            bytes
        };
        self.frames.iter().map(frame).collect()
    }

    /// Bytes of the pad, so that all frames together have the planned size, if they are not longer without it.
    #[inline]
    pub fn pad(&self, values: &Values) -> usize {
        if !self.padded {
            return 0;
        }
        let rest: usize = self.frames.iter().map(|frame| frame.size(values, 0)).sum();
        values.payload.saturating_sub(rest)
    }
}

impl FrameForm {
    fn new(text: &str, files: &Files) -> Self {
        let parts = match FrameText::parse(text).expect("validation has read it") {
            FrameText::File(path) => vec![Part::Bytes(Arc::clone(
                files.get(path).expect("the reader of a scenario supplies its files"),
            ))],
            FrameText::Parts(parts) => parts
                .into_iter()
                .map(|part| match part {
                    FramePart::Bytes(bytes) => Part::Bytes(bytes.into()),
                    FramePart::Value(value) => Part::Value(value),
                })
                .collect(),
        };
        Self { parts }
    }

    /// Its bytes, if it is the same in each request.
    #[inline]
    pub fn constant(&self) -> Option<&[u8]> {
        match &self.parts[..] {
            [] => Some(&[]),
            [Part::Bytes(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// Its size for a request with these values and a pad of this size.
    #[inline]
    pub fn size(&self, values: &Values, pad: usize) -> usize {
        self.parts.iter().map(|part| part.size(values, pad)).sum()
    }

    /// Writes it over `into`, which has its size.
    #[inline]
    pub fn write(&self, values: &Values, pad: usize, into: &mut [u8]) {
        let mut rest = into;
        for part in &self.parts {
            let (begin, end) = rest.split_at_mut(part.size(values, pad));
            part.write(values, begin);
            rest = end;
        }
    }
}

impl Part {
    #[inline]
    fn size(&self, values: &Values, pad: usize) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Value(Placeholder::Body) => values.payload,
            Self::Value(Placeholder::Id) => ID_SIZE,
            Self::Value(Placeholder::Tag) => HEADER_SIZE,
            Self::Value(Placeholder::Client) => decimal_size(u64::from(values.client)),
            Self::Value(Placeholder::Number) => decimal_size(values.header.request),
            Self::Value(Placeholder::Pad) => pad,
        }
    }

    /// Writes it over `into`, which has its size.
    #[inline]
    fn write(&self, values: &Values, into: &mut [u8]) {
        let Values { header, client, .. } = values;
        match self {
            Self::Bytes(bytes) => into.copy_from_slice(bytes),
            Self::Value(Placeholder::Body) => {
                into.fill(FILLING);
                if into.len() >= HEADER_SIZE {
                    header.encode(into);
                }
            }
            Self::Value(Placeholder::Id) => {
                Id { token: header.token, client: *client, request: header.request }.write(into);
            }
            Self::Value(Placeholder::Tag) => header.encode(into),
            Self::Value(Placeholder::Client) => decimal(u64::from(*client), into),
            Self::Value(Placeholder::Number) => decimal(header.request, into),
            Self::Value(Placeholder::Pad) => into.fill(FILLING),
        }
    }
}

fn decimal_size(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

fn decimal(mut value: u64, into: &mut [u8]) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}
