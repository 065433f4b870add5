//! `[request]`: the form of requests for servers that do not echo them, and how a reply finds its request. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::frame_text::{FrameText, Placeholder, bytes_of};
use super::value_error::{Checked, ValueError, refuse, refuse_with_help};
use super::{Bytes, Count, MIN_PAYLOAD, Scenario};

/// The most frames of a request: with an address, a tag and a delimiter a message still has fewer than are kept.
const MOST_REQUEST_FRAMES: usize = 60;
/// The most operations of a mix.
const MOST_OPERATIONS: usize = 100;

/// `[request]`: what a request looks like, and how its replies are recognised.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// How a reply finds its request.
    #[serde(rename = "match")]
    pub matching: Matching,
    /// The frames of a request: text with placeholders, `hex:…` or `file:…`. By default the generated body, `{body}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<String>,
    /// Frames that each client sends once after it has connected, and which the server answers before the run begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hello: Vec<String>,
    /// A reply for which this does not hold is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok: Option<Condition>,
    /// A reply for which this holds is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Condition>,
    /// A reply for which this holds is the last one of its request, where their number is not planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Condition>,
    /// Operations: requests of several forms, drawn by weight.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mix: Vec<Operation>,
    /// The contents of the files that frames name, which the reader of the scenario supplies.
    #[serde(skip)]
    #[schemars(skip)]
    pub files: Files,
}

/// Contents of files, by their paths as they are written.
pub type Files = BTreeMap<String, Arc<[u8]>>;

/// How a reply finds its request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Matching {
    /// The server sends the generated body back as it came; it is the last frame.
    #[default]
    Body,
    /// The server returns what is before the delimiter, as REP sockets do: the first frame is the request's tag.
    Envelope,
    /// The request's `{id}` is somewhere in the reply.
    Token,
    /// Exactly one reply for each request, in the order of the client's requests.
    Order,
}

impl Matching {
    /// Its name in the scenario.
    pub fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Envelope => "envelope",
            Self::Token => "token",
            Self::Order => "order",
        }
    }
}

/// What may hold for a reply. At least one of `contains` and `equals`; both must hold if both are given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    /// Only this frame is looked at: 0 is the first one of the reply, -1 the last. By default any frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<i32>,
    /// The frame contains this text, or these bytes (`hex:…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// The frame is this text, or these bytes (`hex:…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
}

/// `[[request.mix]]`: one of several forms of request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name", "frames"]))]
pub struct Operation {
    /// Its name in reports.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// How often it is drawn, beside the weights of the others; default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub weight: Option<f64>,
    /// Its frames, as `request.frames`.
    #[schemars(length(min = 1))]
    pub frames: Vec<String>,
}

impl Operation {
    /// How often it is drawn, beside the weights of the others.
    pub fn weight(&self) -> f64 {
        self.weight.unwrap_or(1.0)
    }
}

impl Request {
    /// The frames of each operation, in order: one, unless there is a mix. Where an envelope is asked for and not written,
    /// it is added.
    pub fn operations(&self) -> Vec<Vec<&str>> {
        if !self.mix.is_empty() {
            return self.mix.iter().map(|operation| self.whole(&operation.frames)).collect();
        }
        let mut frames = self.whole(&self.frames);
        if self.frames.is_empty() {
            frames.push("{body}");
        }
        vec![frames]
    }

    /// The frames as they are sent: with the envelope that is not written.
    fn whole<'a>(&self, frames: &'a [String]) -> Vec<&'a str> {
        let has_tag =
            |frame: &String| FrameText::parse(frame).is_ok_and(|frame| frame.has(Placeholder::Tag));
        let lacks_tag = self.matching == Matching::Envelope && !frames.iter().any(has_tag);
        let added: &[&str] = if lacks_tag { &["{tag}", ""] } else { &[] };
        added.iter().copied().chain(frames.iter().map(String::as_str)).collect()
    }

    /// Whether some request has a part that is generated in the size of `load.payload`.
    pub fn has_generated_part(&self) -> bool {
        let operations = self.operations();
        let generated = |frame: &&str| {
            FrameText::parse(frame)
                .is_ok_and(|frame| frame.has(Placeholder::Body) || frame.has(Placeholder::Pad))
        };
        operations.iter().flatten().any(generated)
    }

    /// Whether a reply can be an error.
    pub fn can_fail(&self) -> bool {
        self.ok.is_some() || self.error.is_some()
    }

    /// The files that frames name.
    pub fn named_files(&self) -> Vec<NamedFile> {
        let named = |key, frames: &[String], of: Option<(usize, &str)>| -> Vec<NamedFile> {
            let file = |(place, frame): (usize, &String)| match FrameText::parse(frame) {
                Ok(FrameText::File(path)) => Some(NamedFile {
                    key,
                    item: of.map_or(place, |(item, _)| item),
                    frame: of.map(|(_, name)| format!("operation {name}, frame {place}: ")),
                    path: path.to_owned(),
                }),
                _ => None,
            };
            frames.iter().enumerate().filter_map(file).collect()
        };
        let mut files = named("request.frames", &self.frames, None);
        files.extend(named("request.hello", &self.hello, None));
        for (item, operation) in self.mix.iter().enumerate() {
            files.extend(named("request.mix", &operation.frames, Some((item, &operation.name))));
        }
        files
    }
}

/// A file that a frame names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    key: &'static str,
    item: usize,
    /// Which frame of the item it is, if that is an operation.
    frame: Option<String>,
    /// Its path, as it is written.
    pub path: String,
}

impl NamedFile {
    /// That the file cannot be used, and why.
    pub fn refused(&self, why: &str) -> ValueError {
        let frame = self.frame.as_deref().unwrap_or_default();
        let message = format!("{frame}{why}");
        ValueError { path: self.key, item: Some(self.item), message, help: None }
    }
}

impl Scenario {
    /// How a reply finds its request.
    pub fn matching(&self) -> Matching {
        self.request.as_ref().map_or(Matching::Body, |request| request.matching)
    }

    /// The least size of a generated body: where replies are found by it, it holds the header.
    pub fn least_payload(&self) -> Bytes {
        if self.matching() == Matching::Body { MIN_PAYLOAD } else { Bytes(0) }
    }
}

/// What is wrong with the requests of a scenario, if it says anything of them.
pub(super) fn error(scenario: &Scenario) -> Checked {
    let Some(request) = &scenario.request else { return Ok(()) };
    if !request.mix.is_empty() && !request.frames.is_empty() {
        let help = "make them an operation of the mix, or leave the mix out";
        return refuse_with_help("request.frames", "has no effect beside request.mix", help);
    }
    mix(&request.mix)?;
    for (place, frames) in request.operations().into_iter().enumerate() {
        let path = if request.mix.is_empty() { "request.frames" } else { "request.mix" };
        frames_error(request, &frames).map_err(|(message, help)| {
            let named = request.mix.get(place);
            let message =
                named.map_or(message.clone(), |of| format!("operation {}: {message}", of.name));
            let item = named.map(|_| place);
            ValueError { path, item, message, help: (!help.is_empty()).then(|| help.to_owned()) }
        })?;
    }
    for frame in &request.hello {
        match FrameText::parse(frame) {
            Err(reason) => return refuse("request.hello", reason),
            Ok(frame) if frame.has(Placeholder::Body) || frame.has(Placeholder::Pad) => {
                return refuse(
                    "request.hello",
                    "has no generated body: leave out {body} and {pad}",
                );
            }
            Ok(_) => {}
        }
    }
    for (path, condition) in [
        ("request.ok", &request.ok),
        ("request.error", &request.error),
        ("request.last", &request.last),
    ] {
        condition.as_ref().map_or(Ok(()), |condition| condition_error(path, condition))?;
    }
    planned_replies(scenario, request)
}

fn mix(mix: &[Operation]) -> Checked {
    const PATH: &str = "request.mix";
    if mix.len() > MOST_OPERATIONS {
        return refuse(
            PATH,
            format!("has {} operations; the maximum is {MOST_OPERATIONS}", mix.len()),
        );
    }
    for (place, operation) in mix.iter().enumerate() {
        let refuse = |message: String| {
            Err(ValueError { path: PATH, item: Some(place), message, help: None })
        };
        if operation.name.is_empty() || operation.name.chars().count() > 40 {
            return refuse("an operation needs a name of 1 to 40 characters".to_owned());
        }
        if operation.name.chars().any(char::is_control) {
            return refuse("an operation's name must have no control characters".to_owned());
        }
        if mix[..place].iter().any(|other| other.name == operation.name) {
            return refuse(format!("two operations are called {}", operation.name));
        }
        if !(operation.weight().is_finite() && operation.weight() > 0.0) {
            return refuse(format!("operation {}: weight must be above 0", operation.name));
        }
        if operation.frames.is_empty() {
            return refuse(format!("operation {} has no frames", operation.name));
        }
    }
    Ok(())
}

/// What is wrong with the frames of a request, and what to do.
fn frames_error(request: &Request, frames: &[&str]) -> Result<(), (String, &'static str)> {
    if frames.len() > MOST_REQUEST_FRAMES {
        return Err((format!("{} frames; the maximum is {MOST_REQUEST_FRAMES}", frames.len()), ""));
    }
    let parsed: Result<Vec<FrameText<'_>>, String> =
        frames.iter().map(|frame| FrameText::parse(frame)).collect();
    let parsed = parsed.map_err(|reason| (reason, ""))?;
    let anywhere = |placeholder| parsed.iter().filter(|frame| frame.has(placeholder)).count();
    if anywhere(Placeholder::Body) + anywhere(Placeholder::Pad) > 1 {
        let help = "both take their size from load.payload: use one of them, once";
        return Err(("more than one {body} or {pad}".to_owned(), help));
    }
    match request.matching {
        Matching::Body if !parsed.last().is_some_and(|frame| frame.is(Placeholder::Body)) => Err((
            "match = \"body\" needs {body} as the last frame, and nothing else in it: no reply could be matched"
                .to_owned(),
            "a server that does not send the body back needs match = \"token\", \"envelope\" or \"order\"",
        )),
        Matching::Token if anywhere(Placeholder::Id) == 0 => Err((
            "match = \"token\" needs {id} in a frame: no reply could be matched".to_owned(),
            "put {id} where the server copies it into its reply, as in '{\"id\":\"{id}\"}'",
        )),
        Matching::Envelope if !parsed[0].is(Placeholder::Tag) => Err((
            "{tag} must be the first frame, and nothing else in it: no reply could be matched".to_owned(),
            "leave {tag} out to have it and an empty delimiter added",
        )),
        Matching::Body | Matching::Token | Matching::Order if anywhere(Placeholder::Tag) > 0 => Err((
            "{tag} has no effect without match = \"envelope\"".to_owned(), ""
        )),
        _ => Ok(()),
    }
}

fn condition_error(path: &'static str, condition: &Condition) -> Checked {
    if condition.contains.is_none() && condition.equals.is_none() {
        let help =
            "as in { contains = '\"status\": \"ok\"' } or { frame = 2, equals = \"hex:04\" }";
        return refuse_with_help(path, "needs contains or equals", help);
    }
    for text in [&condition.contains, &condition.equals].into_iter().flatten() {
        if let Err(reason) = bytes_of(text) {
            return refuse(path, reason);
        }
    }
    if condition.contains.as_ref().is_some_and(String::is_empty) {
        return refuse(path, "contains must not be empty: every frame contains nothing");
    }
    Ok(())
}

/// Replies are counted by the plan, or by what marks the last one.
fn planned_replies(scenario: &Scenario, request: &Request) -> Checked {
    let one = scenario.workers.replies.constant() == Some(Count(1));
    if request.matching == Matching::Order && !one {
        return refuse_with_help(
            "workers.replies",
            "must be 1 with match = \"order\", which needs exactly one reply for each request",
            "use match = \"envelope\" or \"token\" for several replies",
        );
    }
    if request.last.is_some() {
        if request.matching == Matching::Order {
            return refuse(
                "request.last",
                "has no effect with match = \"order\", which needs exactly one reply for each request",
            );
        }
        if scenario.has_workers() {
            return refuse(
                "request.last",
                "has no effect with zload's own workers, whose replies are planned (workers.replies)",
            );
        }
        if !one {
            return refuse("workers.replies", "has no effect beside request.last");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(request: &str) -> String {
        let text = format!("load = {{ rate = '1/s' }}\n{request}");
        match Scenario::parse("a.toml", &text, &[]) {
            Ok(_) => "nothing".to_owned(),
            Err(problem) => problem.to_string(),
        }
    }

    #[test]
    fn what_no_reply_could_be_matched_by_is_refused() {
        for (request, expected) in [
            ("[request]\nframes = ['a']", "needs {body} as the last frame"),
            ("[request]\nframes = ['{body}', 'a']", "needs {body} as the last frame"),
            ("[request]\nmatch = 'token'\nframes = ['a']", "needs {id}"),
            ("[request]\nmatch = 'envelope'\nframes = ['', '{tag}']", "{tag} must be the first"),
            ("[request]\nmatch = 'order'\nframes = ['{tag}']", "{tag} has no effect"),
            ("[request]\nmatch = 'order'\nframes = ['{pad}', '{body}']", "more than one {body}"),
            ("[request]\nmatch = 'order'\nframes = ['{clients}']", "unknown placeholder {clients}"),
            ("[request]\nmatch = 'order'\n[workers]\nreplies = 2", "must be 1 with match"),
            ("[request]\nok = {}", "needs contains or equals"),
            ("[request]\nok = { contains = '' }", "must not be empty"),
            ("[request]\nok = { contains = 'hex:0' }", "pairs of hexadecimal digits"),
            ("[request]\nlast = { equals = 'x' }", "zload's own workers"),
            ("[request]\nhello = ['{body}']", "no generated body"),
            (
                "[request]\nmatch = 'token'\n[[request.mix]]\nname = 'a'\nframes = ['x']",
                "operation a: match",
            ),
            (
                "[request]\n[[request.mix]]\nname = 'a'\nweight = 0\nframes = ['{body}']",
                "weight must be above 0",
            ),
            ("[request]\n[[request.mix]]\nname = 'a'\n", "has no frames"),
            (
                "[request]\nframes = ['{body}']\n[[request.mix]]\nname = 'a'\nframes = ['{body}']",
                "beside request.mix",
            ),
            ("[request]\nmatch = 'body'\n[load]\nrate = '1/s'\npayload = '1B'", ""),
        ] {
            assert!(problem(request).contains(expected), "{request}: {}", problem(request));
        }
    }

    #[test]
    fn an_envelope_is_added_where_none_is_written() {
        let request = |frames: &[&str]| Request {
            matching: Matching::Envelope,
            frames: frames.iter().map(|frame| (*frame).to_owned()).collect(),
            ..Request::default()
        };
        assert_eq!(request(&[]).operations(), [["{tag}", "", "{body}"]]);
        assert_eq!(request(&["a"]).operations(), [["{tag}", "", "a"]]);
        assert_eq!(
            request(&["{tag}", "<IDS|MSG>", "a"]).operations(),
            [["{tag}", "<IDS|MSG>", "a"]]
        );
    }
}
