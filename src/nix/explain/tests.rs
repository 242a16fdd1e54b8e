use super::remedy;

#[test]
fn says_nothing_of_what_it_does_not_know() {
    assert_eq!(remedy("error: something else", "/home/me", false), None);
    assert_eq!(
        remedy(
            "error: The option `my.thing' does not exist.",
            "/home/me",
            false
        ),
        None,
        "an option of the host's own is not NixOS's"
    );
    assert_eq!(
        remedy(
            "error: The option `services.x' does not exist.",
            "/home/me",
            true
        ),
        None,
        "with a nixpkgs, it is no option of NixOS"
    );
    assert_eq!(
        remedy(
            "error: infinite recursion encountered\n       … while evaluating\n       at /nix/lib.nix:1:2:\n",
            "/home/me",
            false
        ),
        None,
        "a circle outside of the configuration"
    );
}

#[test]
fn a_circle_is_told_by_its_place_in_the_configuration() {
    let said = "error: infinite recursion encountered\n\n       at /nix/lib.nix:1:2:\n       … while evaluating\n\n       at /home/me/host.nix:3:13:\n";
    let told = remedy(said, "/home/me", false).unwrap_or_default();
    assert!(told.starts_with("at /home/me/host.nix:3:13,"), "{told}");
}
