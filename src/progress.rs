//! Progress on standard error; the only user of indicatif. Never in the hot path, never on standard output.

use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use zload_core::facts::{Phase, Snapshot};
use zload_core::quantity::{duration, rate};
use zload_core::text;

/// Where no terminal is, a line at most this often.
const LINE_EVERY_NS: u64 = 5_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A bar that moves, for a terminal.
    Bar,
    /// A plain line now and then.
    Lines,
    Quiet,
}

#[derive(Debug)]
pub(crate) struct Progress {
    mode: Mode,
    bar: ProgressBar,
    /// Which of several runs this is, or the piece of work that the last line was about.
    run: String,
    /// The phase and its elapsed time when the last line was written.
    last_line: Option<(Phase, u64)>,
}

impl Mode {
    /// A bar where people look, lines where logs are kept, nothing where that is asked for.
    pub(crate) fn choose(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal() && !is_dumb()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }
}

impl Progress {
    pub(crate) fn new(mode: Mode) -> Self {
        let bar = match mode {
            Mode::Bar => ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()),
            Mode::Lines | Mode::Quiet => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template("{prefix:>10} {wide_bar:.cyan/dim} {msg}")
            .expect("the template is a constant");
        bar.set_style(style.progress_chars("━╸─"));
        Self { mode, bar, run: String::new(), last_line: None }
    }

    /// Says which of several runs follows.
    pub(crate) fn begin_run(&mut self, index: u32, of: u32) {
        self.last_line = None;
        self.run = if of > 1 { format!("{index}/{of} ") } else { String::new() };
    }

    /// Shows the run as it is now.
    pub(crate) fn update(&mut self, snapshot: &Snapshot) {
        let &Snapshot { phase, elapsed_ns, total_ns, .. } = snapshot;
        let due = self
            .last_line
            .is_none_or(|(last, at_ns)| last != phase || elapsed_ns >= at_ns + LINE_EVERY_NS);
        if due {
            self.last_line = Some((phase, elapsed_ns));
        }
        let total_ns = total_ns.max(1);
        let prefix = format!("{}{}", self.run, name(phase));
        let place = Some((elapsed_ns.min(total_ns), total_ns));
        self.show(place, prefix, in_words(snapshot), due);
    }

    /// Says which of several steps starts.
    pub(crate) fn step(&self, step: usize, steps: usize, name: &str) {
        let place = Some((step as u64 - 1, steps as u64));
        self.show(place, format!("{step}/{steps}"), text::shown(name).into_owned(), true);
    }

    /// Says that the lower bound is being simulated.
    pub(crate) fn simulate(&self) {
        let what = "simulating the lower bound";
        self.show(None, "simulating".to_owned(), what.to_owned(), true);
    }

    /// Shows how far a long piece of work is: `done` of `of` parts, and how long it will still take.
    pub(crate) fn toward(&mut self, (done, of): (u32, u32), name: &str, left_ns: u64) {
        let name = text::shown(name).into_owned();
        let is_new = self.run != name;
        self.run.clone_from(&name);
        let left = format!("{} left", duration(left_ns));
        self.show(Some((done.into(), of.into())), name, left, is_new);
    }

    /// Shows the bar with what is done of the whole, if that is known; or writes a line, if one is due.
    fn show(&self, place: Option<(u64, u64)>, name: String, what: String, line: bool) {
        match self.mode {
            Mode::Bar => {
                if let Some((done, of)) = place {
                    self.bar.set_length(of);
                    self.bar.set_position(done);
                }
                self.bar.set_prefix(name);
                self.bar.set_message(what);
            }
            Mode::Lines if line => say(&format!("{name}: {what}")),
            Mode::Lines | Mode::Quiet => {}
        }
    }

    /// Says once what is about to happen.
    pub(crate) fn announce(&self, text: &str) {
        let text = text::lines(text);
        match self.mode {
            Mode::Quiet => {}
            Mode::Bar => self.bar.suspend(|| say(&text)),
            Mode::Lines => say(&text),
        }
    }

    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Writes a line. A closed log is not an error; the work goes on.
fn say(line: &str) {
    let _closed = writeln!(std::io::stderr(), "{line}");
}

/// Whether the terminal can neither move its cursor nor show colours.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Connect => "connecting",
        Phase::Warmup => "warming up",
        Phase::Measure => "measuring",
        Phase::Drain => "draining",
        Phase::Serve => "serving",
    }
}

fn in_words(snapshot: &Snapshot) -> String {
    let Snapshot { phase, elapsed_ns, total_ns, in_flight, connected, clients, .. } = snapshot;
    if *phase == Phase::Connect {
        return format!("{connected} of {clients} clients");
    }
    let seconds = |ns: u64| ns / 1_000_000_000;
    let time = match total_ns {
        0 => format!("{} s", seconds(*elapsed_ns)),
        total_ns => {
            format!("{} s left", seconds(total_ns.saturating_sub(*elapsed_ns) + 500_000_000))
        }
    };
    let mut text = format!(
        "{time} · {} req · {} rep",
        rate(snapshot.requests_per_s),
        rate(snapshot.replies_per_s)
    );
    if let Some(p50_ns) = snapshot.p50_ns {
        text += &format!(" · p50 {}", duration(p50_ns));
    }
    if let Some(p99_ns) = snapshot.p99_ns {
        text += &format!(" · p99 {}", duration(p99_ns));
    }
    if *phase != Phase::Serve {
        text += &format!(" · {in_flight} in flight");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURING: Snapshot = Snapshot {
        phase: Phase::Measure,
        elapsed_ns: 2_000_000_000,
        total_ns: 5_000_000_000,
        requests_per_s: 1_234.0,
        replies_per_s: 2_468.0,
        p50_ns: Some(153_000),
        p99_ns: None,
        in_flight: 7,
        connected: 3,
        clients: 3,
    };

    #[test]
    fn a_moment_is_one_short_line() {
        assert_eq!(
            in_words(&MEASURING),
            "3 s left · 1.23 k/s req · 2.47 k/s rep · p50 153 µs · 7 in flight"
        );
        let connecting = Snapshot { phase: Phase::Connect, ..MEASURING };
        assert_eq!(in_words(&connecting), "3 of 3 clients");
    }

    #[test]
    fn any_moment_can_be_shown_in_any_mode() {
        for mode in [Mode::Quiet, Mode::Bar] {
            let mut progress = Progress::new(mode);
            progress.begin_run(2, 3);
            progress.step(1, 9, "first");
            for phase in [Phase::Connect, Phase::Warmup, Phase::Measure, Phase::Drain, Phase::Serve]
            {
                progress.update(&Snapshot {
                    phase,
                    total_ns: 0,
                    elapsed_ns: u64::MAX / 2,
                    ..MEASURING
                });
            }
            progress.finish();
        }
    }
}
