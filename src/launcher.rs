//! What an engine that starts many copies of a program tells each of them, in its environment: which copy it is, of how many.
//!
//! Only pairs count that an engine sets for a copy alone. The body of a Slurm batch job has a rank and a number of tasks, too,
//! and is one process. Pure: the environment comes in as a function of a name.

use std::ops::RangeInclusive;

use zload_core::plan::Share;

/// The port of `--gather auto`.
pub(crate) const GATHER_PORT: u16 = 5571;

/// A pair of variables.
struct Pair {
    /// Who sets it.
    engine: &'static str,
    index: &'static str,
    count: &'static str,
    /// What the first index is in, if it is not 0.
    first: Option<&'static str>,
    /// What to know of copies that are started so.
    hint: Option<&'static str>,
}

const PAIRS: [Pair; 6] = [
    Pair::new("Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    Pair::new("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    Pair::new("PMI (MPICH, Intel MPI)", "PMI_RANK", "PMI_SIZE"),
    Pair::new("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
    Pair::new("Cloud Run", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"),
    Pair {
        first: Some("SLURM_ARRAY_TASK_MIN"),
        hint: Some(
            "the tasks of a Slurm array do not start together: give --gather with a --gather-timeout as long as they may wait, or use srun",
        ),
        ..Pair::new("a Slurm array", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
    },
];

/// What an engine said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Which copy this is.
    pub(crate) share: Share,
    /// Who said so, and in which variables.
    pub(crate) source: String,
    /// What to know of copies that are started so.
    pub(crate) hint: Option<&'static str>,
}

impl Pair {
    const fn new(engine: &'static str, index: &'static str, count: &'static str) -> Self {
        Self { engine, index, count, first: None, hint: None }
    }

    /// What this pair says; `None` if it is not set, or does not mean copies.
    fn read(&self, variable: &dyn Fn(&str) -> Option<String>) -> Option<Result<Told, String>> {
        let (index_text, count_text) = (variable(self.index)?, variable(self.count)?);
        let source = format!(
            "{} ({}={}, {}={})",
            self.engine, self.index, index_text, self.count, count_text
        );
        let number = |text: &str| text.trim().parse::<u32>().ok();
        let first = self.first.map_or(Some(0), |name| number(&variable(name)?));
        let share = number(&index_text)
            .zip(number(&count_text))
            .zip(first)
            .and_then(|((index, count), first)| Some((index.checked_sub(first)?, count)));
        let share = match share {
            None => Err("that is no index and count".to_owned()),
            Some((index, count)) => Share::new(index, count),
        };
        Some(match share {
            Err(why) => Err(format!("{source}: {why}")),
            Ok(share) => Ok(Told { share, source, hint: self.hint }),
        })
    }
}

/// What the engine that started this process says of it; `None` if none says anything. An error if two disagree, or if what one
/// says cannot be.
pub(crate) fn told(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Told>, String> {
    let read = PAIRS.iter().filter_map(|pair| pair.read(variable));
    let mut said = read.collect::<Result<Vec<Told>, String>>()?;
    // A program that is started once, as by `mpirun` for another, says nothing of copies where a second engine does.
    if said.iter().any(|told| told.share.count() > 1) {
        said.retain(|told| told.share.count() > 1);
    }
    let Some(first) = said.first() else { return Ok(None) };
    if let Some(other) = said.iter().find(|told| told.share != first.share) {
        return Err(format!(
            "two engines say which copy this is, and they disagree: {}; {}: give --shard I/N",
            first.source, other.source
        ));
    }
    Ok(said.into_iter().next())
}

/// The share of `--shard auto`, or why there is none.
pub(crate) fn share(variable: &dyn Fn(&str) -> Option<String>) -> Result<Told, String> {
    if let Some(told) = told(variable)? {
        return Ok(told);
    }
    let set = |name: &str| variable(name).is_some();
    Err(if set("JOB_COMPLETION_INDEX") {
        "Kubernetes tells a pod its index and not how many there are: give --shard \"$(JOB_COMPLETION_INDEX)/N\" with the Job's completions for N".to_owned()
    } else if set("SLURM_JOB_ID") {
        "this is the body of a Slurm job, which runs once and not in a step: start zload by srun"
            .to_owned()
    } else {
        "no engine says which copy of the program this is (Slurm step or array, Open MPI, PMI, AWS Batch, Cloud Run): give --shard I/N".to_owned()
    })
}

/// What to say to somebody who has not asked for a share where an engine has started several copies.
pub(crate) fn warning(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let told = told(variable).ok()??;
    (told.share.count() > 1).then(|| {
        format!(
            "{} copies of this run were started by {}, and each plays the whole load: give --shard auto for one load in {} shards",
            told.share.count(),
            told.source,
            told.share.count()
        )
    })
}

/// The endpoint of `--gather auto`: at the first host of the Slurm step, or why there is none.
pub(crate) fn gather_endpoint(variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let Some(list) = variable("SLURM_STEP_NODELIST") else {
        return Err("--gather auto knows the hosts of a Slurm step only: give --gather tcp://HOST:PORT with the host of shard 0".to_owned());
    };
    match first_host(&list) {
        Some(host) => Ok(format!("tcp://{host}:{GATHER_PORT}")),
        None => Err(format!(
            "SLURM_STEP_NODELIST={list} has no first host: give --gather tcp://HOST:PORT"
        )),
    }
}

/// The first of a list of hosts in Slurm's form: `n[01-03,7],m` is n01, n02, n03, n7 and m.
fn first_host(list: &str) -> Option<String> {
    const NAME: [RangeInclusive<char>; 3] = ['a'..='z', 'A'..='Z', '0'..='9'];
    let mut host = String::new();
    let mut rest = list.trim();
    loop {
        let end = rest.find(['[', ',']).unwrap_or(rest.len());
        host += &rest[..end];
        let Some(inner) = rest[end..].strip_prefix('[') else { break };
        let (numbers, after) = inner.split_once(']')?;
        host += numbers.split([',', '-']).next()?;
        rest = after;
    }
    let plain = |sign: char| NAME.iter().any(|range| range.contains(&sign)) || "-_.".contains(sign);
    (!host.is_empty() && host.chars().all(plain)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NAME=value` pairs as an environment.
    fn of<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn each_engine_says_which_copy_this_is() {
        for (set, index, count) in [
            (&[("SLURM_PROCID", "2"), ("SLURM_STEP_NUM_TASKS", "4")][..], 2, 4),
            (&[("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "3")], 0, 3),
            (&[("PMI_RANK", "1"), ("PMI_SIZE", "2")], 1, 2),
            (&[("AWS_BATCH_JOB_ARRAY_INDEX", "9"), ("AWS_BATCH_JOB_ARRAY_SIZE", "10")], 9, 10),
            (&[("CLOUD_RUN_TASK_INDEX", "0"), ("CLOUD_RUN_TASK_COUNT", "2")], 0, 2),
            (
                &[
                    ("SLURM_ARRAY_TASK_ID", "5"),
                    ("SLURM_ARRAY_TASK_COUNT", "3"),
                    ("SLURM_ARRAY_TASK_MIN", "4"),
                ],
                1,
                3,
            ),
            // A program alone in a step.
            (&[("SLURM_PROCID", "0"), ("SLURM_STEP_NUM_TASKS", "1")], 0, 1),
            // Slurm with --mpi=pmi2 sets both; an array of one task each is an array.
            (
                &[
                    ("SLURM_PROCID", "1"),
                    ("SLURM_STEP_NUM_TASKS", "4"),
                    ("PMI_RANK", "1"),
                    ("PMI_SIZE", "4"),
                ],
                1,
                4,
            ),
            (
                &[
                    ("SLURM_PROCID", "0"),
                    ("SLURM_STEP_NUM_TASKS", "1"),
                    ("SLURM_ARRAY_TASK_ID", "1"),
                    ("SLURM_ARRAY_TASK_COUNT", "3"),
                    ("SLURM_ARRAY_TASK_MIN", "0"),
                ],
                1,
                3,
            ),
        ] {
            let told = share(&of(set)).unwrap();
            assert_eq!(told.share, Share::new(index, count).unwrap(), "{set:?}");
            assert_eq!(warning(&of(set)).is_some(), count > 1);
        }
    }

    #[test]
    fn what_an_engine_said_can_be_read_where_it_is_used() {
        let set = [("SLURM_PROCID", "2"), ("SLURM_STEP_NUM_TASKS", "4")];
        assert_eq!(
            share(&of(&set)).unwrap().source,
            "Slurm (SLURM_PROCID=2, SLURM_STEP_NUM_TASKS=4)"
        );
        let warning = warning(&of(&set)).unwrap();
        assert!(warning.starts_with("4 copies of this run were started by Slurm ("), "{warning}");
        let array = [
            ("SLURM_ARRAY_TASK_ID", "0"),
            ("SLURM_ARRAY_TASK_COUNT", "2"),
            ("SLURM_ARRAY_TASK_MIN", "0"),
        ];
        assert!(share(&of(&array)).unwrap().hint.unwrap().contains("do not start together"));
    }

    #[test]
    fn what_is_no_copy_is_no_share() {
        let batch = [("SLURM_JOB_ID", "7"), ("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")];
        let error = share(&of(&batch)).unwrap_err();
        assert!(error.contains("start zload by srun"), "{error}");
        assert_eq!(warning(&of(&batch)), None, "the body of a batch job is one process");
        let error = share(&of(&[("JOB_COMPLETION_INDEX", "2")])).unwrap_err();
        assert!(error.contains("$(JOB_COMPLETION_INDEX)/N"), "{error}");
        let error = share(&of(&[])).unwrap_err();
        assert!(error.contains("give --shard I/N"), "{error}");
    }

    #[test]
    fn engines_that_disagree_and_values_that_cannot_be_are_errors() {
        let both = [
            ("SLURM_PROCID", "1"),
            ("SLURM_STEP_NUM_TASKS", "2"),
            ("OMPI_COMM_WORLD_RANK", "3"),
            ("OMPI_COMM_WORLD_SIZE", "4"),
        ];
        let error = share(&of(&both)).unwrap_err();
        assert!(
            error.contains("Slurm (SLURM_PROCID=1")
                && error.contains("Open MPI (OMPI_COMM_WORLD_RANK=3"),
            "{error}"
        );
        assert_eq!(warning(&of(&both)), None);
        for (index, count) in [("4", "4"), ("x", "4"), ("0", "0"), ("-1", "4"), ("", "")] {
            let set = [("PMI_RANK", index), ("PMI_SIZE", count)];
            let error = share(&of(&set)).unwrap_err();
            assert!(error.contains("PMI_RANK="), "{error}");
        }
        let below = [
            ("SLURM_ARRAY_TASK_ID", "1"),
            ("SLURM_ARRAY_TASK_COUNT", "2"),
            ("SLURM_ARRAY_TASK_MIN", "3"),
        ];
        assert!(share(&of(&below)).is_err());
    }

    #[test]
    fn the_first_host_of_a_step_is_where_shards_gather() {
        let at = |list: &str| gather_endpoint(&of(&[("SLURM_STEP_NODELIST", list)]));
        for (list, endpoint) in [
            ("n[1-4]", "tcp://n1:5571"),
            ("node[003-005,9]", "tcp://node003:5571"),
            ("h1,h2", "tcp://h1:5571"),
            ("login", "tcp://login:5571"),
            ("rack[1-2]n[07-09],x", "tcp://rack1n07:5571"),
            ("a-[2,4].example", "tcp://a-2.example:5571"),
        ] {
            assert_eq!(at(list).unwrap(), endpoint);
        }
        for bad in ["", "n[1", "[]", "a b", "n[1-4]:7"] {
            assert!(at(bad).is_err(), "{bad}");
        }
        assert!(gather_endpoint(&of(&[])).unwrap_err().contains("Slurm step only"));
    }
}
