//! `zload serve`

use std::io::Write;

use super::{Places, deliver, ensure_format, exit_code, interruption, load};
use crate::Error;
use crate::cli::ServeArgs;
use crate::engine;
use crate::environment;
use crate::files::{Inputs, input};
use crate::progress::{Mode, Progress};
use zload_core::scenario::{Endpoints, Nanos, is_beyond_loopback};
use zload_core::text;
use zload_report::report;
use zload_report::result::ServeResult;

pub(super) fn serve(args: &ServeArgs, out: &mut dyn Write) -> Result<u8, Error> {
    ensure_format::<ServeResult>(&args.output)?;
    let scenario = load(&args.scenario, &args.overrides())?;
    let connects = scenario.workers.connect.as_ref().is_some_and(|to| !to.ends_with(":*"));
    if !(scenario.has_proxy() || connects) {
        return Err(Error::Failed(format!(
            "{}: proxy.engine is \"external\", so there is no built-in server to run: use --set proxy.engine=batch (or poll, builtin, lru), or workers.connect for workers behind a proxy that runs",
            input::name(&args.scenario)
        )));
    }
    if args.duration == Some(Nanos::ZERO) {
        return Err(Error::Failed(
            "--duration must be above 0; leave it out to serve until Ctrl-C".to_owned(),
        ));
    }
    let inputs = Inputs::of([&args.scenario]).and_server(&scenario);
    let places = Places::reserve(&args.output, &inputs)?;
    let interrupted = interruption()?;
    let environment = environment::describe();
    let mode = if args.trace { Mode::Quiet } else { Mode::choose(args.output.quiet) };
    let mut progress = Progress::new(mode);
    // A script that starts clients needs to know when and where: this line is no progress, so `-q` keeps it.
    let listening = |endpoints: &Endpoints| {
        let what = if scenario.has_proxy() { "listening on" } else { "workers connected to" };
        let _closed = writeln!(std::io::stderr(), "{what} {}", text::shown(&endpoints.to_string()));
        let beyond = endpoints.all().iter().any(|endpoint| is_beyond_loopback(endpoint));
        if scenario.has_proxy() && beyond {
            let warning = report::warning_beyond_loopback(&scenario);
            let _closed = writeln!(std::io::stderr(), "{warning}");
        }
    };
    let duration_ns = args.duration.map(|duration| duration.0);
    let served = engine::serve(
        &scenario,
        duration_ns,
        args.trace,
        &interrupted,
        listening,
        &mut |snapshot| progress.update(snapshot),
    )?;
    progress.finish();
    let environment = environment::with_libzmq(environment);
    let result = ServeResult::new(&scenario, environment, &served);
    deliver(&result, &args.output, places, out)?;
    exit_code(result.interrupted, result.failure.as_deref())
}
