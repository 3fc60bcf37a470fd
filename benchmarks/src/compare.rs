//! `benchmark compare`: two runs side by side. Only what was measured in one go on one machine may be compared, so it says
//! where the two differ in that.

use std::fmt;

use crate::run::Results;

/// Two runs.
#[derive(Clone, Debug)]
pub struct Comparison {
    rows: Vec<Row>,
    warnings: Vec<String>,
}

#[derive(Clone, Debug)]
struct Row {
    what: String,
    before: f64,
    after: f64,
}

impl Comparison {
    /// Of these two.
    #[must_use]
    pub fn of(before: &Results, after: &Results) -> Self {
        let mut warnings = Vec::new();
        if before.plan != after.plan {
            warnings.push(format!("they did different things: {:?} and {:?}", before.plan, after.plan));
        }
        let (a, b) = (&before.head.machine, &after.head.machine);
        if (&a.processor, a.cores, &a.kernel) != (&b.processor, b.cores, &b.kernel) {
            warnings.push("they were on different machines: only counts can be compared".into());
        }
        let worst = |of: fn(&super::run::Camera) -> f64, run: &Results| {
            run.cameras.iter().map(of).fold(0.0, f64::max)
        };
        let row = |what: &str, of: &dyn Fn(&Results) -> f64| Row {
            what: what.into(),
            before: of(before),
            after: of(after),
        };
        #[expect(clippy::cast_precision_loss, reason = "for a person to read")]
        let rows = vec![
            row("memory, average MB", &|r| r.cost.memory_mb.average),
            row("memory, peak MB", &|r| r.cost.memory_mb.peak),
            row("cpu, average % of a core", &|r| r.cost.cpu_percent.average),
            row("cpu, peak % of a core", &|r| r.cost.cpu_percent.peak),
            row("disk, average MB/s", &|r| r.cost.disk_mb_per_s.average),
            row("disk, MB in all", &|r| r.cost.disk_mb),
            row("interval p50, ms", &|r| worst(|c| c.interval_p50_ms, r)),
            row("interval p99, ms", &|r| worst(|c| c.interval_p99_ms, r)),
            row("interval longest, ms", &|r| worst(|c| c.interval_max_ms, r)),
            row("frames captured", &|r| r.cameras.iter().map(|c| c.frames as f64).sum()),
            row("frames dropped", &|r| r.cameras.iter().map(|c| c.dropped as f64).sum()),
            row("frames in clips", &|r| r.clips.frames_written as f64),
            row("frames missing in clips", &|r| {
                r.clips.frames_expected.saturating_sub(r.clips.frames_written) as f64
            }),
            row("finished p99, ms", &|r| r.clips.finished_after_ms.map_or(0.0, |after| after.p99)),
        ];
        Self { rows, warnings }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "note: {warning}")?;
        }
        writeln!(f, "{:<26} {:>10} {:>10} {:>7}", "", "first", "second", "ratio")?;
        for Row { what, before, after } in &self.rows {
            let ratio = if *before > 0.0 { format!("{:.2}", after / before) } else { "–".to_owned() };
            writeln!(f, "{what:<26} {before:>10.1} {after:>10.1} {ratio:>7}")?;
        }
        Ok(())
    }
}
