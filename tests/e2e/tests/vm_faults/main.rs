//! What goes wrong in the VM or on the way to it, in a real one: what the command says, what is left,
//! and that everything that was undone is as it was before, compared by value.

mod cut;
mod faults;
mod idle;
mod moments;
mod scene;
mod values;
