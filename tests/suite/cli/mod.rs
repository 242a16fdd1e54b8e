//! The real program on a temporary root, as a stranger meets it.
mod accounts;
mod bad_input;
mod blocks;
mod compat;
mod compat_nixos;
mod drift;
mod etc;
mod foreign;
mod generations;
mod kill;
mod obstacles;
mod output;
mod scripts;
mod still;
mod story;
mod strace;
mod truth;
