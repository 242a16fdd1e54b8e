//! The least that a second switch must do: lstat and readlink each path of a list. Compiled by `tests/bench/second-switch`.
fn main() {
    let list = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    let mut links = 0;
    for path in list.lines() {
        let is_link = std::fs::symlink_metadata(path).unwrap().is_symlink();
        links += usize::from(is_link && std::fs::read_link(path).is_ok());
    }
    println!("{links} links");
}
