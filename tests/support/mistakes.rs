//! Scenarios that cannot be meant, and what must be said about each.

/// What a mistake must be answered with: where it is, the underlined text, and what is said about it.
pub(crate) struct Mistake {
    pub(crate) text: &'static str,
    pub(crate) place: &'static str,
    pub(crate) underlined: &'static str,
    pub(crate) said: &'static [&'static str],
    /// Whether a JSON Schema can see it, too.
    pub(crate) in_schema: bool,
}

const fn mistake(
    text: &'static str,
    place: &'static str,
    underlined: &'static str,
    said: &'static [&'static str],
) -> Mistake {
    Mistake { text, place, underlined, said, in_schema: true }
}

/// One that lies between values, where no schema looks.
const fn deep_mistake(
    text: &'static str,
    place: &'static str,
    underlined: &'static str,
    said: &'static [&'static str],
) -> Mistake {
    Mistake { text, place, underlined, said, in_schema: false }
}

pub(crate) const MISTAKES: &[Mistake] = &[
    mistake(
        "sed = 1\nload = { rate = '1/s' }",
        "1:1",
        "sed",
        &["unknown key `sed`", "did you mean `seed`?"],
    ),
    mistake(
        "[load]\nrate = '1/s'\n[cleints]\ncount = 3",
        "3:2",
        "cleints",
        &["did you mean `clients`?"],
    ),
    mistake(
        "load = { rate = '1/s' }\n[workers]\ndelay = 5",
        "3:9",
        "5",
        &["5 has no unit", "10ms"],
    ),
    mistake("load = { rate = 10 }", "1:17", "10", &["10 has no unit", "100/s"]),
    mistake("load = { rate = '10/d' }", "1:17", "'10/d'", &["unknown unit \"/d\"", "/m"]),
    mistake("load = { rate = '1/s', payload = '64' }", "1:34", "'64'", &["needs a unit", "4KiB"]),
    mistake(
        "load = { rate = '1/s', model = 'opne' }",
        "1:32",
        "'opne'",
        &["did you mean `open`?", "`closed`"],
    ),
    mistake("[load]\nmodel = 'open'", "1:2", "load", &["needs a rate", "rate_per_client"]),
    mistake(
        "load = { rate = '1/s', rate_per_client = '1/s' }",
        "1:17",
        "'1/s'",
        &["exactly one of them"],
    ),
    mistake(
        "load = { rate = '1/s', in_flight = 3 }",
        "1:36",
        "3",
        &["has no effect", "model = \"closed\""],
    ),
    mistake(
        "load = { model = 'closed', rate = '1/s' }",
        "1:35",
        "'1/s'",
        &["has no effect", "model = \"open\""],
    ),
    mistake("load = { model = 'closed', in_flight = 0 }", "1:40", "0", &["from 1 to"]),
    mistake("load = { rate = '1/s' }\nclients = { count = 0 }", "2:21", "0", &["from 1 to"]),
    mistake(
        "load = { rate = '1/s' }\nclients = { count = -3 }",
        "2:21",
        "-3",
        &["out of range", "from 0"],
    ),
    mistake(
        "load = { rate = '1/s' }\nclients = { count = 'three' }",
        "2:21",
        "'three'",
        &["whole number"],
    ),
    mistake(
        "load = { rate = '1/s' }\nclients = { count = 2.5 }",
        "2:21",
        "2.5",
        &["not a whole number"],
    ),
    mistake(
        "load = { rate = '1/s' }\nclients = { threads = 'many' }",
        "2:23",
        "'many'",
        &["a number of threads or \"auto\""],
    ),
    mistake(
        "load = { rate = '1/s' }\nclients = [3, 'auto', '10s']",
        "2:11",
        "[3, 'auto', '10s']",
        &["wrong type: an array", "a table"],
    ),
    mistake("load = { rate = '1/s' }\nworkers = 5", "2:11", "5", &["wrong type", "a table"]),
    mistake("load = { rate = '1/s' }\nworkers = { count = 0 }", "2:21", "0", &["from 1 to"]),
    mistake("load = { rate = '1/s' }\nworkers = { replies = -1 }", "2:23", "-1", &["out of range"]),
    mistake(
        "load = { rate = '1/s' }\nworkers = { replies = 1.5 }",
        "2:23",
        "1.5",
        &["not a whole number"],
    ),
    mistake(
        "load = { rate = '1/s' }\nworkers = { replies = { uniform = [0] } }",
        "2:35",
        "[0]",
        &["exactly two values"],
    ),
    mistake(
        "load = { rate = '1/s' }\nworkers = { replies = { unifrom = [0, 4] } }",
        "2:25",
        "unifrom",
        &["did you mean `uniform`?"],
    ),
    mistake(
        "load = { rate = '1/s' }\nworkers = { delay = { normal = { mean = '1ms' } } }",
        "2:32",
        "{ mean = '1ms' }",
        &["missing key `sd`"],
    ),
    mistake(
        "load = { rate = '1/s' }\nworkers = { delay_by = 'nap' }",
        "2:24",
        "'nap'",
        &["`sleep`, `spin`"],
    ),
    mistake(
        "load = { rate = '1/s' }\nproxy = { engine = 'pol' }",
        "2:20",
        "'pol'",
        &["did you mean `poll`?"],
    ),
    mistake(
        "load = { rate = '1/s' }\nproxy = { frontend = 'tcp//x' }",
        "2:22",
        "'tcp//x'",
        &["no endpoint", "tcp://127.0.0.1:5570"],
    ),
    mistake(
        "load = { rate = '1/s' }\nproxy = { frontend = 'tcp://127.0.0.1:99999' }",
        "2:22",
        "'tcp://127.0.0.1:99999'",
        &["1 to 65535"],
    ),
    mistake(
        "load = { rate = '1/s' }\nproxy = { frontend = 'inproc://front' }",
        "2:22",
        "'inproc://front'",
        &["cannot be inproc"],
    ),
    mistake("load = { rate = '1/s' }\nproxy = { io_threads = 0 }", "2:24", "0", &["from 1 to 64"]),
    mistake("load = { rate = '1/s' }\nsockets = { sndhwm = -1 }", "2:22", "-1", &["at least 0"]),
    mistake(
        "load = { rate = '1/s' }\nverdict = { max_lost = 1.5 }",
        "2:24",
        "1.5",
        &["from 0 to 1"],
    ),
    mistake("load = { rate = '1/s' }\nverdict = { max_lost = -1 }", "2:24", "-1", &["from 0 to 1"]),
    mistake(
        "load = { rate = '1/s' }\nverdict = { max_slip = 1 }",
        "2:24",
        "1",
        &["no unit", "1m30s"],
    ),
    mistake(
        "load = { rate = '1/s' }\nverdict = { max_drfit = 0.1 }",
        "2:13",
        "max_drfit",
        &["did you mean `max_drift`?"],
    ),
    mistake(
        "load = { rate = '1/s' }\nsockets = { sendhwm = 1 }",
        "2:13",
        "sendhwm",
        &["did you mean `sndhwm`?"],
    ),
    mistake(
        "load = { rate = '1/s' }\nrun = { duration = '5 s' }",
        "2:20",
        "'5 s'",
        &["unknown unit \" s\""],
    ),
    mistake(
        "load = { rate = '1/s' }\nrun = { duration = true }",
        "2:20",
        "true",
        &["needs a unit"],
    ),
    mistake("seed = -1\nload = { rate = '1/s' }", "1:8", "-1", &["at least 0"]),
    mistake("load = { rate = '0/s' }", "1:17", "'0/s'", &["must be above 0"]),
    deep_mistake(
        "load = { rate = '1/s', payload = '8B' }",
        "1:34",
        "'8B'",
        &["below the least that is possible, 24B"],
    ),
    deep_mistake(
        "load = { rate = '1/s', payload = '8GiB' }",
        "1:34",
        "'8GiB'",
        &["above the most that is possible, 64MiB"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\nrun = { duration = '0s' }",
        "2:20",
        "'0s'",
        &["must be from 1ns"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\nworkers = { delay = { uniform = ['1s', '1ms'] } }",
        "2:21",
        "{ uniform = ['1s', '1ms'] }",
        &["from the lower to the upper end"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\nworkers = { replies = { choice = [[0, 3]] } }",
        "2:23",
        "{ choice = [[0, 3]] }",
        &["do not add up to 0"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\nclients = { count = 2, threads = 3 }",
        "2:34",
        "3",
        &["more than the 2 clients"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\nproxy = { engine = 'external', frontend = 'tcp://127.0.0.1:*' }",
        "2:43",
        "'tcp://127.0.0.1:*'",
        &["port of the external server"],
    ),
    deep_mistake(
        "load = { model = 'closed' }\nworkers = { replies = 0 }",
        "2:23",
        "0",
        &["needs replies"],
    ),
    mistake(
        "load = { rate = '1/s' }\nworkers = { replies = 1.5 }",
        "2:23",
        "1.5",
        &["error: 1.5 is not a whole number\n"],
    ),
    mistake(
        "load = { rate = '1/s' }\nworkers = { replies = { choice = [[-1, 3], [2, 1]] } }",
        "2:23",
        "{ choice = [[-1, 3], [2, 1]] }",
        &["weights of at least 0"],
    ),
    deep_mistake(
        "load = { rate = '1/s', payload = '4KiB' }\nsockets = { maxmsgsize = '1KiB' }",
        "2:26",
        "'1KiB'",
        &["less than the 4KiB of load.payload"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\nsockets = { affinity = 2 }",
        "2:24",
        "2",
        &["none of the I/O threads, of which there are 1", "lowest bit"],
    ),
    mistake(
        "load = { rate = '1/s' }\nthresholds = { limits = ['slip.p99 < 1ms', 'slip.p99 = 1ms'] }",
        "2:44",
        "'slip.p99 = 1ms'",
        &["the signs are < <= > >= == and !="],
    ),
    mistake(
        "load = { rate = '1/s' }\nthresholds = { limits = ['First reply < 1ms'] }",
        "2:26",
        "'First reply < 1ms'",
        &["no name of a field", "first_reply.p99 < 5ms"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\nthresholds = { limits = ['slip.p99 < 1sec'] }",
        "2:26",
        "'slip.p99 < 1sec'",
        &["unknown unit \"sec\"", "the units are ns"],
    ),
    mistake(
        "load = { rate = '1/s' }\nthresholds = { limits = [5] }",
        "2:26",
        "5",
        &["wrong type", "a threshold such as"],
    ),
    mistake(
        "load = { rate = '1/s' }\nthresholds = { limits = 'slip.p99 < 1ms' }",
        "2:25",
        "'slip.p99 < 1ms'",
        &["wrong type", "expected an array"],
    ),
    mistake(
        "load = { rate = '1/s' }\nthresholds = { limit = ['slip.p99 < 1ms'] }",
        "2:16",
        "limit",
        &["did you mean `limits`?"],
    ),
    mistake(
        "load = { rate = '1/s' }\nserver = { command = [] }",
        "2:22",
        "[]",
        &["must begin with the program", "./my_server"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\nserver = { command = ['', '{frontend}'] }",
        "2:22",
        "['', '{frontend}']",
        &["must begin with the program"],
    ),
    mistake(
        "load = { rate = '1/s' }\n[server]\nready_timeout = '1s'",
        "2:2",
        "server",
        &["must begin with the program"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\n[server]\ncommand = ['./s', '5570']",
        "3:11",
        "['./s', '5570']",
        &["no argument has {frontend}", "--bind"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\n[server]\ncommand = ['./s', '{frontend}', '{backend}']",
        "3:11",
        "['./s', '{frontend}', '{backend}']",
        &["in the place of {backend}", "{{backend}}"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\n[server]\ncommand = ['./s', \"a\\nb {frontend}\"]",
        "3:11",
        "['./s', \"a\\nb {frontend}\"]",
        &["control characters", "into a file"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\nproxy = { engine = 'batch' }\n[server]\ncommand = ['./s', '{frontend}']",
        "2:20",
        "'batch'",
        &["has no effect: [server] starts", "leave it out"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\n[server]\ncommand = ['./s', '{frontend}']\nready_timeout = '0s'",
        "4:17",
        "'0s'",
        &["must be from 1ns to 1h"],
    ),
    mistake(
        "load = { rate = '1/s' }\n[server]\ncomand = ['./s', '{frontend}']",
        "3:1",
        "comand",
        &["did you mean `command`?"],
    ),
    mistake(
        "load = { rate = '1/s' }\nserver = './s {frontend}'",
        "2:10",
        "'./s {frontend}'",
        &["wrong type"],
    ),
    deep_mistake(
        "load = { rate = '1/s' }\nproxy = { engine = 'external', frontend = 'tcp://*:5' }",
        "2:43",
        "'tcp://*:5'",
        &["cannot connect to tcp://*:5", "127.0.0.1"],
    ),
    mistake(
        "load = { rate = '1/s' }\n[server]\ncommand = ['{frontend}']",
        "3:11",
        "['{frontend}']",
        &["no argument has {frontend}"],
    ),
];
