//! What is put into the program besides its code.

#[path = "build/making.rs"]
mod making;

fn main() {
    making::tell();
}
