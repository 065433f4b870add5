//! Scenarios without a file: an endpoint in place of one, or a server's command.

use std::path::Path;

use serde_json::Value;

use super::input::Input;

/// The default load: enough for percentiles, and little for a server.
const LOAD: &str = "\
[load]
rate = \"1k/s\"
arrivals = \"poisson\"
[clients]
count = 10
[run]
duration = \"10s\"
";

/// Whether this is an endpoint and no path.
pub(super) fn is_endpoint(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains("://"))
}

/// The scenario of a load on the ROUTER at the endpoint given instead of a file; `None` if it is not an endpoint.
pub(crate) fn against(endpoint: &Path) -> Option<Input> {
    let text = endpoint.to_str().filter(|_| is_endpoint(endpoint))?;
    // A JSON string is one of TOML, too.
    let frontend = Value::from(text);
    let server = format!("[proxy]\nengine = \"external\"\nfrontend = {frontend}\n");
    Some(Input { path: endpoint.to_owned(), bytes: format!("{LOAD}{server}").into_bytes() })
}

/// The scenario of the same load on a server whose command is given.
pub(crate) fn for_command(program: &str) -> Input {
    Input { path: program.into(), bytes: LOAD.to_owned().into_bytes() }
}
