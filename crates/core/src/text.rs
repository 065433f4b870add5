//! Foreign text made safe to show: what a peer, a path, a child or a file says may not steer what it is shown on.
//!
//! A sign that acts instead of showing (on a terminal, on the order of the signs around it, or by hiding) is written as its
//! escape, `\u{202e}`; a byte that is no text as `\xff`. Invariant: pure, and nothing that is already safe is changed.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Longest piece of foreign text in a message, in signs.
const LONGEST: usize = 400;

/// Whether a sign does something instead of showing something: control characters, those that turn or join the text around
/// them, those that are invisible, and those that are none.
pub fn acts(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{13430}'..='\u{1345f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// One line that shows every sign of `text`.
pub fn shown(text: &str) -> Cow<'_, str> {
    escaped(text, |c| acts(c).then(|| c.escape_unicode().to_string()))
}

/// The same for a text of several lines, which stay apart and are no commands to what keeps them as a log.
///
/// Runners of workflows take a line for a command that starts with `::`, or has `##[` in it.
pub fn lines(text: &str) -> Cow<'_, str> {
    match visible(text) {
        Cow::Borrowed(text) => without_commands(text),
        Cow::Owned(text) => Cow::Owned(without_commands(&text).into_owned()),
    }
}

/// The same for a text whose signs are safe.
pub fn without_commands(safe: &str) -> Cow<'_, str> {
    let begins = |line: &str| line.trim_start().starts_with("::");
    if !safe.contains("##[") && !safe.lines().any(begins) {
        return Cow::Borrowed(safe);
    }
    let line = |line: &str| {
        if begins(line) { line.replacen("::", "\\::", 1) } else { line.to_owned() }
    };
    let lines: Vec<String> = safe.split('\n').map(line).collect();
    Cow::Owned(lines.join("\n").replace("##[", "##\\["))
}

/// The same for a file that no runner reads.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| (c != '\n' && acts(c)).then(|| c.escape_unicode().to_string()))
}

/// JSON that shows every sign of the texts in it, and says the same to who reads it as JSON.
pub fn json(text: &str) -> String {
    // Outside of its texts JSON has no sign that acts but a newline, and no number sign.
    let safe = escaped(text, |c| {
        let escape = |unit: &u16| format!("\\u{unit:04x}");
        (c != '\n' && acts(c)).then(|| c.encode_utf16(&mut [0; 2]).iter().map(escape).collect())
    });
    safe.replace("##[", "#\\u0023[")
}

/// One line of a length that people read.
pub fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", shown(&text[..end])),
        None => shown(text).into_owned(),
    }
}

/// One line that shows every sign of what may be no text.
pub fn bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text += &shown(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
    }
    text
}

/// The name of a file on one line.
pub fn path(path: &Path) -> String {
    bytes(path.as_os_str().as_bytes())
}

fn escaped(text: &str, escape: impl Fn(char) -> Option<String>) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match escape(c) {
            Some(escape) => safe.push_str(&escape),
            None => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_acts_is_written_as_its_escape() {
        for (text, safe) in [
            ("plain – ä 日本 🙂 שלום", "plain – ä 日本 🙂 שלום"),
            (
                "a\u{1b}]0;x\u{7}\u{9b}2J\r\n\t\u{7f}",
                r"a\u{1b}]0;x\u{7}\u{9b}2J\u{d}\u{a}\u{9}\u{7f}",
            ),
            ("\u{202e}\u{2066}\u{61c}\u{200f}", r"\u{202e}\u{2066}\u{61c}\u{200f}"),
            (
                "\u{2028}\u{200b}\u{feff}\u{e0041}\u{fff9}",
                r"\u{2028}\u{200b}\u{feff}\u{e0041}\u{fff9}",
            ),
        ] {
            assert_eq!(shown(text), safe);
        }
        assert_eq!(bytes(b"a\xff\xc3\xa4\x1b"), r"a\xffä\u{1b}");
        assert_eq!(path(Path::new("a\nb")), r"a\u{a}b");
    }

    #[test]
    fn no_line_is_a_command_of_a_workflow() {
        assert_eq!(lines("a ::b\n  ::error::x\nc"), "a ::b\n  \\::error::x\nc");
        assert_eq!(lines("a ##[error]"), "a ##\\[error]");
        assert_eq!(lines("a\n\u{feff}::b\n"), "a\n\\u{feff}::b\n");
    }

    proptest! {
        #[test]
        fn json_says_the_same_and_shows_everything(text in any::<String>()) {
            let quoted = serde_json::to_string(&text).unwrap();
            let safe = json(&quoted);
            prop_assert!(!safe.chars().any(acts));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }

        #[test]
        fn nothing_acts_and_nothing_else_changes(text in any::<String>()) {
            prop_assert!(!shown(&text).chars().any(acts));
            prop_assert!(!lines(&text).chars().any(|c| c != '\n' && acts(c)));
            let plain: String = text.chars().filter(|c| !acts(*c)).collect();
            prop_assert_eq!(shown(&plain), plain.as_str());
        }
    }
}
