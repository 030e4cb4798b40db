//! The book in `docs/`: what it says is what the program has.

mod commands;
mod errors;
mod pages;
