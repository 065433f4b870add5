//! A saved result, of any kind: whatever the bytes, it is refused with a reason, or it is shown, and nothing in it acts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zload_report::print::{Style, html, markdown, text};
use zload_report::report;
use zload_report::result::Saved;
use zload_core::text::acts;

fuzz_target!(|data: &str| {
    let saved = match Saved::parse(data) {
        Ok(saved) => saved,
        Err(reason) => {
            assert!(!reason.is_empty());
            return;
        }
    };
    let document = report::of(&saved);
    let style = Style::new(false);
    for form in [
        text(&document, style),
        text(&document, style.verbose(true)),
        html(&document),
        markdown(&document),
    ] {
        assert_eq!(form.chars().find(|sign| *sign != '\n' && acts(*sign)), None, "{form}");
    }
});
