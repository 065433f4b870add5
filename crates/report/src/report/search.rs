//! The report of a search: the answer in one sentence, what it rests on, and every trial.

use super::document::{
    Block, Column, Depth, Document, Heading, Kind, Mark, Row, Section, Span, Table, Tone, Words,
    words,
};
use super::search_answer::{of_goal, percent, sentence, shown};
use super::search_plot;
use super::value::{counted as number, time};
use super::{Reported, machine, origin, scenario_text};
use crate::result::{SearchAnswer, SearchGoal, SearchResult, SearchTrial};
use zload_core::quantity::{self, count, counted, duration};
use zload_core::scenario::Threshold;
use zload_core::search::{Counted, Outcome, Role, State, Typical};

impl Reported for SearchResult {
    fn report(&self) -> Document {
        let (said, tone) = sentence(self);
        // Text has the answer above it, and pages have it above everything.
        let first = Section::bare("answer", Depth::Answer, answers(self));
        let mut sections = vec![Section { heading: Heading::Title("Answer"), ..first }];
        sections
            .extend(search_plot::plot(self).map(|plot| {
                Section::bare("capacity-plot", Depth::Answer, vec![Block::Plot(plot)])
            }));
        sections.push(Section::new("trials", "Trials", Depth::Detail, vec![trials(self)]));
        sections.push(Section::new("method", "Method", Depth::Detail, vec![method(self)]));
        let text = Block::Verbatim(scenario_text(&self.scenario));
        sections.push(Section::new("scenario", "Scenario", Depth::Appendix, vec![text]));
        let mut short = answers(self);
        short.push(Block::note("-v shows the rest: every trial, the method"));
        Document {
            tone,
            origin: origin(&self.environment),
            command: self.environment.command.clone().unwrap_or_default(),
            short: vec![Section::bare("", Depth::Answer, short)],
            ..Document::new(said.into(), &self.environment.zload, sections)
        }
    }
}

/// What the answer rests on, for each goal; then the notes.
fn answers(result: &SearchResult) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (place, (answer, goal)) in result.answers.iter().zip(&result.goals).enumerate() {
        if place > 0 {
            let (said, _) = of_goal(result, answer);
            blocks.push(Block::Subheading(words!(Span::name(&goal.name), ": ", said)));
        }
        blocks.push(Block::Settings(rows(result, place, (answer, goal))));
    }
    blocks.extend(Block::remarks(Mark::Warn, &result.notes));
    blocks
}

fn rows(
    result: &SearchResult,
    place: usize,
    (answer, goal): (&SearchAnswer, &SearchGoal),
) -> Vec<(Words, Words)> {
    let field = |name: &str| format!("answers.{place}.{name}");
    let value = |name: &str, value: f64| {
        let json = serde_json::Value::from(value).to_string();
        Words::from(Span::Value(field(name), json, shown(result, value)))
    };
    let judged = format!("; judged by trials of {}", duration(result.trial_ns));
    let mut rows: Vec<(Words, Words)> = vec![("goal".into(), (in_words(goal) + &judged).into())];
    if let Some(carried) = answer.carried {
        let trials = format!("  in {} of {} trials", carried.met, carried.of);
        let words = words!(value("carried.value", carried.value), trials, slow(result, goal, true));
        rows.push(("sustained".into(), words));
    }
    if let Some(missed) = answer.missed {
        let trials = format!("  in {} of {} trials", missed.met, missed.of);
        let words = words!(value("missed.value", missed.value), trials, slow(result, goal, false));
        rows.push(("missed".into(), words));
    }
    if let Some(beyond) = answer.beyond_generator {
        let text = "  trials from here on are void: zload could not offer the load on time";
        rows.push(("beyond".into(), words!(value("beyond_generator", beyond), text)));
    }
    let gate = result.at_least.is_some();
    if let Some(estimate) = answer.estimate.filter(|_| !gate) {
        let all = counted(result.trials.len() as u64, "trial");
        let text = format!("estimate {{}}, from {all}; not a bound");
        let (before, after) = text.split_once("{}").unwrap_or(("", ""));
        rows.push(("between".into(), words!(before, value("estimate", estimate), after)));
    }
    if let Some(more) = answer.more_trials.filter(|_| answer.state != State::GeneratorLimited) {
        rows.push(("to decide".into(), to_decide(result, more).into()));
    }
    rows.extend(ideal(result, place, answer));
    rows.extend(recovery(result, answer));
    rows
}

/// `about 12 more trials like these: --time 1m30s`
fn to_decide(result: &SearchResult, more: u32) -> String {
    let played = result.trials.len().max(1) as f64;
    let each_s = result.elapsed_ns as f64 / 1e9 / played;
    let needed_s = result.time_ns as f64 / 1e9 + f64::from(more) * each_s;
    format!(
        "about {} like these: try --time {}s",
        counted(u64::from(more), "more trial"),
        quantity::saturating((needed_s / 10.0).ceil()) * 10
    )
}

/// What a proxy that costs nothing would reach.
fn ideal(result: &SearchResult, place: usize, answer: &SearchAnswer) -> Option<(Words, Words)> {
    let ideal = result.ideal.filter(|_| place == 0)?;
    let carried = ideal.carried?;
    let mut text = format!("{} with a proxy that costs nothing", result.form.shown(carried));
    if let Some(efficiency) = answer.efficiency_at_least {
        // What is shown is rounded down.
        let percent = (efficiency * 1000.0).floor() / 10.0;
        text += &if efficiency > 1.0 {
            ", and no less was sustained: a short trial may end with a queue".to_owned()
        } else {
            format!(": {percent:.1} % of it or more")
        };
    }
    if let Some(bound) = ideal.bound_per_s {
        text += &format!("; workers are full at {}", quantity::rate(bound));
    }
    Some(("ideal".into(), text.into()))
}

fn recovery(result: &SearchResult, answer: &SearchAnswer) -> Option<(Words, Words)> {
    let text = match (answer.recovers_ns_max, result.stuck) {
        (_, true) => "not within 5 s after a missed trial, under 20 requests a second".to_owned(),
        (Some(ns), false) => {
            format!("after each missed trial that it was looked at, in {} at most", duration(ns))
        }
        (None, false) => return None,
    };
    let text = match &answer.hysteresis {
        Some(of) => format!(
            "{text}; but {} of {} trials met the goal after a missed one, and {} of {} otherwise (p = {:.3})",
            of.met_after_missed,
            of.of_after_missed,
            of.met_after_carried,
            of.of_after_carried,
            of.p
        ),
        None => text,
    };
    Some(("recovers".into(), text.into()))
}

/// `99 % of the first replies within 20 ms, ledger.requests_lost == 0`
fn in_words(goal: &SearchGoal) -> String {
    if goal.limits.is_empty() {
        return "keeps up with the load and loses nothing".to_owned();
    }
    let limit = |text: &String| {
        let counted = text.parse::<Threshold>().ok().and_then(|limit| Counted::of(&limit));
        let Some(counted) = counted else { return text.clone() };
        let within = duration(counted.limit_ns);
        let of = counted.values.of_what();
        match counted.allowed_ratio {
            ratio if ratio > 0.0 => format!("{} of the {of} within {within}", percent(1.0 - ratio)),
            _ => format!("all {of} within {within}"),
        }
    };
    goal.limits.iter().map(limit).collect::<Vec<_>>().join(", ")
}

/// What a trial says of a goal: its role there, and the slow requests, if there is such a count.
fn of_goal_in(trial: &SearchTrial, goal: &SearchGoal) -> Option<(Role, Option<u64>)> {
    if trial.goal == goal.name {
        return (trial.outcome != Outcome::Void).then_some((trial.role, trial.slow));
    }
    let other = trial.others.iter().find(|other| other.goal == goal.name)?;
    (other.outcome != Outcome::Void).then_some((other.role, other.slow))
}

/// `: 0.62 % slow (0.2 … 0.9)`, and what no loss in all of them says.
fn slow(result: &SearchResult, goal: &SearchGoal, carried: bool) -> String {
    let wanted = if carried { Role::Carried } else { Role::Missed };
    let of_role = || {
        let found = |trial| Some((trial, of_goal_in(trial, goal)?));
        let found = result.trials.iter().filter_map(found);
        found.filter(|(_, (role, _))| *role == wanted).map(|(trial, (_, slow))| (trial, slow))
    };
    let mut shares: Vec<f64> = of_role()
        .filter_map(|(trial, slow)| Some(slow? as f64 / trial.requests.max(1) as f64))
        .collect();
    shares.sort_by(f64::total_cmp);
    let percent = |share: f64| format!("{:.2}", share * 100.0);
    let mut text = match &shares[..] {
        [] => String::new(),
        [low, .., high] if percent(*low) != percent(*high) => {
            let median = percent(shares[shares.len() / 2]);
            format!(": {median} % slow ({} … {})", percent(*low), percent(*high))
        }
        [one, ..] => format!(": {} % slow", percent(*one)),
    };
    let lost: u64 = of_role().map(|(trial, _)| trial.lost).sum();
    let requests: u64 = of_role().map(|(trial, _)| trial.requests).sum();
    if carried && lost == 0 && requests > 0 {
        // The rule of three: e^-3 is 5 %.
        let most = 300.0 / requests as f64;
        text +=
            &format!("; no loss in {} requests, so fewer than {most:.2} % (95 %)", count(requests));
    }
    text
}

/// Every trial in a row.
fn trials(result: &SearchResult) -> Block {
    const COLUMNS: [(&str, Kind); 9] = [
        ("", Kind::Figures),
        ("value", Kind::Figures),
        ("to", Kind::Words),
        ("outcome", Kind::Words),
        ("slow", Kind::Figures),
        ("may be", Kind::Figures),
        ("of", Kind::Figures),
        ("p50", Kind::Figures),
        ("p99", Kind::Figures),
    ];
    let columns = COLUMNS.into_iter().map(|(heading, kind)| Column {
        heading: heading.into(),
        kind,
        is_main: ["", "value", "outcome", "slow"].contains(&heading),
        ..Column::default()
    });
    let rows = result.trials.iter().enumerate().map(|(place, trial)| {
        let field = |name: &str| format!("trials.{place}.{name}");
        let tone = match trial.outcome {
            Outcome::Met => Tone::Good,
            Outcome::Missed => Tone::Alarm,
            Outcome::Void => Tone::Doubt,
        };
        let many = |name: &str, count: Option<u64>| match count {
            Some(count) => number(field(name), count),
            None => Span::Nothing.into(),
        };
        let number = trial.number.to_string();
        Row::of::<Words>([
            number.into(),
            shown(result, trial.value).into(),
            role(trial.role).into(),
            Span::Toned(tone, outcome(trial)).into(),
            many("slow", trial.slow),
            many("allowed", trial.allowed),
            many("requests", Some(trial.requests)),
            time(field("first_reply.p50_ns"), trial.first_reply.p50_ns),
            time(field("first_reply.p99_ns"), trial.first_reply.p99_ns),
        ])
    });
    let table = Table { id: "trials-table", columns: columns.collect(), ..Table::default() };
    Block::Table(table.rows(rows))
}

/// A role as people read it.
fn role(role: Role) -> &'static str {
    match role {
        Role::Find => "find it",
        Role::Carried => "show met",
        Role::Missed => "show missed",
        Role::Sentinel => "look far below",
    }
}

/// Met or missed; of a void trial also why, and where no count says why it missed.
fn outcome(trial: &SearchTrial) -> String {
    match trial.outcome {
        Outcome::Met => "met".to_owned(),
        Outcome::Missed if trial.overloaded => "missed (overload)".to_owned(),
        Outcome::Missed if trial.slow > trial.allowed => "missed".to_owned(),
        Outcome::Missed => format!("missed: {}", trial.why),
        Outcome::Void => format!("void: {}", trial.why),
    }
}

fn method(result: &SearchResult) -> Block {
    let plans = match result.typical {
        Typical::OfTheLongRun => format!(
            "{} that ask for as much as a long plan does, of {} looked at, chosen by the lower bound before anything was measured",
            counted(result.seeds.len() as u64, "plan"),
            count(u64::from(result.seeds_tried))
        ),
        Typical::AllAlike => "any, as all of them ask for the same".to_owned(),
        Typical::Any => {
            "any, so trials differ by their plans, too: periodic arrivals or a longer --trial help"
                .to_owned()
        }
    };
    let void = result.trials.iter().filter(|trial| trial.outcome == Outcome::Void).count();
    let rows: Vec<(Words, Words)> = vec![
        ("over".into(), words!(Span::code(&result.over), ", from ", shown(result, result.from), " to ", shown(result, result.to))),
        (
            "capacity".into(),
            format!(
                "the value at which a trial of {} (after {} of warm-up) meets the goal in half of all cases",
                duration(result.trial_ns),
                duration(result.warmup_ns)
            )
            .into(),
        ),
        (
            "sure".into(),
            format!(
                "{} that the capacity is between both ends, whatever values were tried and whenever the search ended",
                percent(result.confidence)
            )
            .into(),
        ),
        ("plans".into(), plans.into()),
        (
            "trials".into(),
            format!(
                "{}, of which {void} void, in {} of {}",
                counted(result.trials.len() as u64, "trial"),
                duration(result.elapsed_ns),
                duration(result.time_ns)
            )
            .into(),
        ),
        ("plan".into(), Span::code(&result.plan_hash).into()),
        ("machine".into(), machine(&result.environment).into()),
    ];
    Block::Settings(rows)
}
