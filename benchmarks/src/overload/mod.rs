//! `benchmark overload`: machines that are too slow for a while. Each row loads the recorder in one way, takes clips, and
//! has the oracle say what they hold: an overload should cost time, and no frame.

mod clips;
mod load;
mod row;

use std::fmt;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

pub use load::spin;
pub use row::Row;
use row::{ROWS, measure_row};

use crate::head::Head;

/// The plan of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Only these rows; all, if none is named.
    pub only: Vec<String>,
    /// In each row the recorder is killed so often, once in a clip.
    pub kills: u32,
    /// The config's `reserve_ms`; its default, if none is named.
    pub reserve_ms: Option<u64>,
    /// The preset of the row `slow-preset`.
    pub preset: String,
    /// The seed of all chance.
    pub seed: u64,
}

impl Plan {
    /// The plan as arguments of the command.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["overload".to_owned()];
        let mut add = |name: &str, value: String| arguments.push(format!("--{name}={value}"));
        if !self.only.is_empty() {
            add("only", self.only.join(","));
        }
        self.reserve_ms.into_iter().for_each(|reserve_ms| add("reserve-ms", reserve_ms.to_string()));
        add("kills", self.kills.to_string());
        add("preset", self.preset.clone());
        add("seed", self.seed.to_string());
        arguments
    }
}

/// The measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// The plan that was asked for.
    pub plan: Plan,
    /// True when an ordinary user ran it: root's recorders take precedence over other programs.
    pub is_ordinary_user: bool,
    /// In the order in which they were measured.
    pub rows: Vec<Row>,
}

/// Measures row after row; `tell` hears of each.
///
/// # Errors
/// When Preroll can't be started, or a row has no such name.
pub fn measure(plan: &Plan, tell: impl Fn(&Row)) -> anyhow::Result<Results> {
    let names = || ROWS.map(|scenario| scenario.name);
    for name in &plan.only {
        ensure!(
            names().contains(&name.as_str()),
            "there is no row {name}; the rows are {}",
            names().join(", ")
        );
    }
    let mut results = Results {
        head: Head::begin("overload"),
        plan: plan.clone(),
        is_ordinary_user: !rustix::process::geteuid().is_root(),
        rows: Vec::new(),
    };
    for scenario in ROWS.iter().filter(|row| plan.only.is_empty() || plan.only.iter().any(|o| o == row.name))
    {
        let row = measure_row(scenario, plan)?;
        tell(&row);
        results.rows.push(row);
    }
    Ok(results)
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.head.machine;
        writeln!(
            f,
            "{} cores, load {}; {}",
            machine.cores,
            machine.load,
            match self.is_ordinary_user {
                true => "as an ordinary user",
                false => "as root, whose recorder takes precedence over other programs",
            }
        )?;
        writeln!(f, "{}", Row::TITLES)?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        for (row, why) in self.rows.iter().flat_map(|row| row.broken.iter().map(move |why| (row, why))) {
            writeln!(f, "BROKEN: {}: {why}", row.name)?;
        }
        Ok(())
    }
}
