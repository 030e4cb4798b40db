//! The figures, as a table for people and as JSON for machines, with each goal beside what was
//! measured.

use crate::error::Result;
use anstream::println;
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::path::Path;

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const MET: Style = AnsiColor::Green.on_default();
const MISSED: Style = AnsiColor::Yellow.on_default().bold();

/// A figure that was aimed at.
#[derive(Debug, Clone)]
pub struct Goal {
    /// What is measured.
    pub name: String,
    /// What came out.
    pub measured: f64,
    /// The bound.
    pub bound: f64,
    /// Whether the bound is the least (a speed-up) or the most (a time, a size) that is wanted.
    pub at_least: bool,
    /// Unit of both.
    pub unit: &'static str,
}

impl Goal {
    /// Whether it came out as it was wanted.
    #[must_use]
    pub fn is_met(&self) -> bool {
        if self.at_least {
            self.measured >= self.bound
        } else {
            self.measured <= self.bound
        }
    }
}

/// Everything that was measured in one run.
#[derive(Debug, Default)]
pub struct Report {
    sections: Vec<(String, Value)>,
    goals: Vec<Goal>,
}

impl Report {
    /// Prints a table and keeps it; the first column names the rows.
    pub fn table(&mut self, key: &str, title: &str, columns: &[&str], rows: &[Vec<String>]) {
        println!("\n{TITLE}{title}{TITLE:#}");
        let width = |column: usize| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            cells
                .chain([columns[column].chars().count()])
                .max()
                .unwrap_or(0)
        };
        let line = |cells: &[String]| {
            let padded = cells.iter().enumerate().map(|(column, cell)| {
                let width = width(column);
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            padded.collect::<Vec<_>>().join("  ")
        };
        let head: Vec<String> = columns.iter().map(ToString::to_string).collect();
        println!("  {}", line(&head));
        for row in rows {
            println!("  {}", line(row));
        }
        let objects = rows.iter().map(|row| {
            let pairs = columns
                .iter()
                .zip(row)
                .map(|(name, cell)| ((*name).to_owned(), json!(cell)));
            Value::Object(pairs.collect())
        });
        self.sections
            .push((key.to_owned(), Value::Array(objects.collect())));
    }

    /// Keeps figures for the JSON only.
    pub fn figures(&mut self, key: &str, value: Value) {
        self.sections.push((key.to_owned(), value));
    }

    /// Keeps a goal.
    pub fn goal(&mut self, goal: Goal) {
        self.goals.push(goal);
    }

    /// Prints the goals and writes everything to a file.
    pub fn finish(&self, path: &Path) -> Result<()> {
        println!("\n{TITLE}Goals{TITLE:#}");
        for goal in &self.goals {
            let Goal {
                name,
                measured,
                bound,
                unit,
                ..
            } = goal;
            let sign = if goal.at_least { "≥" } else { "≤" };
            let (style, word) = if goal.is_met() {
                (MET, "met")
            } else {
                (MISSED, "missed")
            };
            println!(
                "  {name:<58} {measured:>9.2} {sign} {bound:<6} {unit:<4} {style}{word}{style:#}"
            );
        }
        let goals = self.goals.iter().map(|goal| {
            json!({
                "name": goal.name, "measured": goal.measured, "bound": goal.bound,
                "at_least": goal.at_least, "unit": goal.unit, "met": goal.is_met(),
            })
        });
        let mut whole = serde_json::Map::new();
        whole.extend(self.sections.iter().cloned());
        whole.insert("goals".to_owned(), Value::Array(goals.collect()));
        if let Some(dir) = path.parent() {
            fs_err::create_dir_all(dir)?;
        }
        fs_err::write(path, format!("{:#}\n", Value::Object(whole)))?;
        println!("\n  written to {}", path.display());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_knows_its_direction() {
        let goal = |measured, at_least| Goal {
            name: String::new(),
            measured,
            bound: 5.0,
            at_least,
            unit: "ms",
        };
        assert!(goal(4.9, false).is_met() && !goal(5.1, false).is_met());
        assert!(goal(5.1, true).is_met() && !goal(4.9, true).is_met());
    }
}
