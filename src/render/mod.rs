//! stub
/// s
#[derive(Debug, Clone, Copy)]
pub struct Style;
impl Style {
    /// n
    pub fn new(_c: bool, _t: bool) -> Self {
        Self
    }
}
/// r
pub fn run_report(r: &crate::result::RunResult, _: Style) -> String {
    let mut r = r.clone();
    for l in [
        &mut r.latency.first_reply,
        &mut r.latency.last_reply,
        &mut r.latency.reply,
        &mut r.latency.service,
        &mut r.latency.slip,
    ] {
        l.histogram.clear();
    }
    crate::result::to_json(&r)
}
/// r
pub fn serve_report(r: &crate::result::ServeResult, _: Style) -> String {
    crate::result::to_json(r)
}
/// r
pub fn plan_report(_: &crate::scenario::Scenario, p: &crate::plan::Plan) -> String {
    format!("{:?} {}", p.summary(), p.hash())
}
