//! What is put into the program besides its code.

#[path = "build/making.rs"]
mod making;
#[path = "build/note.rs"]
mod note;

fn main() {
    making::tell();
    note::link();
}
