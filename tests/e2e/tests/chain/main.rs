//! Upgrades over releases in between: `relup path`, `upgrade --via`, `plan --via`.

mod refused;
mod scene;
mod stopped;
mod walked;
