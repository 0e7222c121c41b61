use std::collections::BTreeMap;

use mlua::Function;
use serde::{Deserialize, Serialize};

/// Which lines of a script ran. Only a program that was compiled to tell has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Every line that holds something to run, with how often it ran.
    pub lines: BTreeMap<u32, u32>,
}

impl Coverage {
    pub(crate) fn of(main: &Function) -> Self {
        let mut coverage = Self::default();
        main.coverage(|function| {
            for (line, hits) in function.hits.iter().enumerate() {
                if let (Ok(line), Ok(hits)) = (u32::try_from(line), u32::try_from(*hits)) {
                    let seen = coverage.lines.entry(line).or_default();
                    *seen = (*seen).max(hits);
                }
            }
        });
        coverage
    }

    /// Adds another run of the same script.
    pub fn add(&mut self, other: &Self) {
        for (line, hits) in &other.lines {
            let seen = self.lines.entry(*line).or_default();
            *seen = seen.saturating_add(*hits);
        }
    }

    /// Lines that ran, in order.
    pub fn ran(&self) -> impl Iterator<Item = u32> {
        self.lines.iter().filter(|(_, hits)| **hits > 0).map(|(line, _)| *line)
    }

    /// Lines that never ran, in order.
    pub fn missed(&self) -> impl Iterator<Item = u32> {
        self.lines.iter().filter(|(_, hits)| **hits == 0).map(|(line, _)| *line)
    }
}
