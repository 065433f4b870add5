//! How a run ends of which a part dies.

use std::sync::{Arc, mpsc};

use super::*;
use crate::engine::{AtOnce, Part, setup};
use zload_core::{plan::Plan, scenario::Scenario};

/// How a run ends of whose two drivers one panics at once or, if `connected`, when it is to start; the other
/// runs until it is stopped.
fn with_a_driver_that_panics(connected: bool) -> Result<Measured, Error> {
    let text = "load = { rate = '1/s' }\nrun = { duration = '10m' }\n\
                clients = { connect_timeout = '10m' }";
    let scenario = Scenario::parse("test.toml", text, &[]).unwrap();
    let (plan, stop) = (Arc::new(Plan::new(&scenario)), Arc::new(Stop::new().unwrap()));
    let (tell, events) = mpsc::channel();
    let identities = plan.identities(1);
    let mut clients = Clients {
        identities,
        threads: vec![],
        counters: vec![],
        probes: None,
        start: vec![],
        events,
    };
    for panics in [true, false] {
        let (tell, stop) = (tell.clone(), Arc::clone(&stop));
        let (start, told) = mpsc::channel();
        clients.start.push(start);
        clients.threads.push(std::thread::spawn(move || {
            if connected || !panics {
                tell.send(Event::Connected(ThreadId::current())).unwrap();
                let _told = told.recv();
            }
            assert!(!panics, "as a defect would");
            stop.sleep(Duration::from_secs(600));
            let _gone = tell.send(Event::Ended(Box::new(Ok(Recorded::default()))));
            let _close = told.recv();
        }));
    }
    let mut controller = Controller {
        settings: &setup::clients(Part::whole(&scenario, &plan), "".into(), false).unwrap(),
        server: None,
        process: None,
        stop: &stop,
        interrupted: &AtomicBool::new(false),
        watcher: &mut |_| {},
        begin: &mut AtOnce,
        kernel_before: None,
        memory: Memory::of_run(&scenario, 2, 2),
        absence: Absence::new(&scenario),
        watch: Watch::new(&scenario),
        clients,
    };
    let outcome = controller.play();
    stop.request();
    outcome
}

#[test]
fn a_driver_that_panics_is_missed_though_another_lives() {
    let error = with_a_driver_that_panics(false).unwrap_err();
    assert!(error.to_string().contains("panicked before it was connected"), "{error}");
    let measured = with_a_driver_that_panics(true).unwrap();
    assert!(measured.failure.unwrap().contains("a driver panicked"));
}
