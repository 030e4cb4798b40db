//! What goes wrong in the VM or on the way to it, in a real one: what the command says, what is left,
//! and that everything that was undone is as it was before, compared by value.

mod cut_off;
mod faults;
mod halt;
mod idle;
mod killed;
mod points;
mod scene;
mod trial;
mod values;
mod wire;

/// Whether everything is tried (`make crash`) or a sample of it (`make test`).
fn is_full() -> bool {
    std::env::var_os("CRASH_FULL").is_some_and(|value| value == "1")
}
