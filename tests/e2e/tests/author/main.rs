//! Hops that the tool has made itself: applied to real nodes under live clients.

mod alone;
mod applications;
mod applied;
mod scene;
mod tutorial;
