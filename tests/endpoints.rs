//! Endpoints: what a server takes and what it leaves alone, what it removes, and what is said of where it cannot go.

use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::support::{ENGINES, ForeignServer, Zload, ledger, number};
use rustix::process::Signal;

const SMALL: &str = "load = { rate = '100/s' }\nrun = { duration = '200ms' }\n\
                     clients = { count = 2 }\nworkers = { count = 2 }\nproxy = { engine = 'batch' }";

fn at(key: &str, path: &Path) -> String {
    format!("proxy.{key}=ipc://{}", path.display())
}

#[test]
fn a_file_at_an_ipc_path_is_never_touched_by_any_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    std::fs::write(&path, "precious").unwrap();
    let (frontend, backend) = (at("frontend", &path), at("backend", &path));
    let engine = ["--set", "proxy.engine=external"];
    let server = ["--set", "server.command=[\"true\", \"{frontend}\"]"];
    for (command, setting, more) in [
        ("run", &frontend, &[][..]),
        ("run", &backend, &[]),
        ("serve", &frontend, &[]),
        ("serve", &backend, &[]),
        ("run", &frontend, &engine),
        ("run", &frontend, &[engine, server].concat()),
    ] {
        let ended =
            Zload::with_scenario(command, SMALL).args(&["-q", "--set", setting]).args(more).end();
        assert_eq!(ended.code, Some(2), "{command} {setting}: {}", ended.stderr);
        assert!(ended.stderr.contains("this path is a file"), "{}", ended.stderr);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}

#[test]
fn a_server_at_an_ipc_path_keeps_it_until_its_end_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    let setting = at("frontend", &path);
    let mut serving = Zload::with_scenario("serve", SMALL).args(&["-q", "--set", &setting]).start();
    serving.await_line("listening on ");
    let ended = Zload::run(SMALL).args(&["--set", &setting]).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("another process has this endpoint"), "{}", ended.stderr);
    let result =
        Zload::run(SMALL).args(&["--set", &setting, "--set", "proxy.engine=external"]).result(0);
    assert_eq!(number(ledger(&result), "requests_answered"), 20);
    serving.signal(Signal::INT);
    assert_eq!(serving.end().code, Some(130));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_others_put_at_the_path_meanwhile_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let setting = at("frontend", &path);
    let mut serving = Zload::with_scenario("serve", SMALL).args(&["-q", "--set", &setting]).start();
    serving.await_line("listening on ");
    std::fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    serving.signal(Signal::INT);
    serving.end();
    assert!(std::fs::metadata(&path).unwrap().file_type().is_socket());
    UnixStream::connect(&path).unwrap();
}

#[test]
fn wildcards_and_abstract_names_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let temp = folder.path().to_str().unwrap();
    let name = format!("@zload-endpoints-test-{}", std::process::id());
    for setting in
        ["proxy.frontend=ipc://*", "proxy.backend=ipc://*", &format!("proxy.frontend=ipc://{name}")]
    {
        let result = Zload::run(SMALL).args(&["--set", setting]).env("TMPDIR", temp).result(0);
        assert_eq!(number(ledger(&result), "requests_answered"), 20, "{setting}");
        assert_eq!(std::fs::read_dir(temp).unwrap().count(), 0, "{setting}");
    }
    assert!(!Path::new(&name).exists());
}

#[test]
fn an_unknown_host_is_said_at_once() {
    let far = ["--set", "proxy.engine=external", "--set", "proxy.frontend=tcp://nohost.invalid:1"];
    let ended = Zload::run(SMALL).args(&far).args(&["--set", "clients.connect_timeout=10m"]).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("no such host: nohost.invalid"), "{}", ended.stderr);
}

#[test]
fn interfaces_are_bound_and_a_server_beyond_loopback_says_so() {
    for (endpoint, says) in [
        ("tcp://lo:*", false),
        ("tcp://127.0.0.1:*", false),
        ("ipc://*", false),
        ("tcp://*:*", true),
        ("tcp://[::]:*", true),
    ] {
        let setting = format!("proxy.frontend={endpoint}");
        let ended = Zload::with_scenario("serve", SMALL)
            .args(&["-q", "--duration", "100ms", "--set", &setting])
            .end();
        assert_eq!(ended.code, Some(0), "{endpoint}: {}", ended.stderr);
        assert_eq!(ended.stderr.contains("can use it"), says, "{endpoint}: {}", ended.stderr);
    }
}

#[test]
fn clients_are_spread_over_a_list_of_endpoints_and_of_sources() {
    for engine in ENGINES {
        let text = "run = { duration = '300ms', drain = '1s' }\nload.rate = '200/s'\nclients = { count = 7, sources = ['127.0.0.3', '127.0.0.4'] }\n\
                    proxy.frontend = ['tcp://127.0.0.1:*', 'tcp://127.0.0.2:*']\nworkers.delay = '100us'";
        let set = format!("clients.engine={engine}");
        let result = Zload::run(text).args(&["--set", &set]).result(0);
        assert_eq!(number(&result, "ledger.requests_answered"), 60, "{engine}");
        let frontend = result["proxy"]["frontend"].as_str().expect("text");
        let ports: Vec<&str> = frontend.split(", ").collect();
        assert!(
            ports[0].starts_with("tcp://127.0.0.1:") && ports[1].starts_with("tcp://127.0.0.2:")
        );
        assert_eq!(result["scenario"]["proxy"]["frontend"].as_array().map(Vec::len), Some(2));
    }
    let both = "load.rate = '1/s'\nproxy.frontend = ['tcp://127.0.0.1:*', 'tcp://127.0.0.2:*']";
    let served = Zload::with_scenario("serve", both).args(&["-q", "--duration", "10ms"]).end();
    let said: Vec<&str> = served.stderr.lines().collect();
    assert!(said.len() == 1 && said[0].starts_with("listening on tcp://127.0.0.1:"), "{said:?}");
    let one = "load.rate = '1/s'\nproxy.engine = 'external'";
    for (set, why) in [
        ("proxy.frontend=[]", "use 1 to 1000"),
        ("proxy.frontend=['tcp://127.0.0.1:5', 'inproc://x']", "cannot be inproc"),
        ("proxy.frontend=['tcp://127.0.0.1:5', 7]", "expected an endpoint or a list of endpoints"),
        ("proxy.frontend=['tcp://127.0.0.1:5', 'tcp://127.0.0.1:*']", "port *"),
        (
            "server.command=['./s', '{frontend}']\nproxy.frontend=['tcp://127.0.0.1:5', 'tcp://127.0.0.1:6']",
            "[server] starts one server",
        ),
    ] {
        let sets: Vec<&str> = set.lines().flat_map(|set| ["--set", set]).collect();
        let ended = Zload::with_scenario("check", one).args(&sets).end();
        assert_eq!(ended.code, Some(2), "{set}: {}", ended.stdout);
        assert!(ended.stderr.contains(why), "{set}: {}", ended.stderr);
    }
}

#[test]
fn an_endpoint_of_a_list_where_nobody_listens_is_named() {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()]);
    for engine in ENGINES {
        let text = format!(
            "load.rate = '100/s'\nclients = {{ count = 4, engine = '{engine}', connect_timeout = '300ms' }}\n\
             proxy = {{ engine = 'external', frontend = ['{}', 'tcp://127.0.0.1:9'] }}",
            server.endpoint
        );
        let ended = Zload::run(&text).end();
        assert_eq!(ended.code, Some(2), "{engine}");
        assert!(ended.stderr.contains("nothing listens at tcp://127.0.0.1:9"), "{}", ended.stderr);
        assert!(ended.stderr.contains("2 of 4 clients"), "{}", ended.stderr);
    }
    let text = "load.rate = '1/s'\nclients.sources = ['192.0.2.7']";
    let ended = Zload::run(text).end();
    assert!(
        ended.code == Some(2) && ended.stderr.contains("no connection can come from 192.0.2.7")
    );
}
