//! Which names somebody may have meant.

/// Returns the names that somebody may have meant: those that have in them what was typed, in whatever letters; else
/// those that it is a slip of the pen for; else those that have its letters in this order, closest together first. Pure.
#[must_use]
pub(crate) fn meant<'a>(typed: &str, names: &[&'a str]) -> Vec<&'a str> {
    let typed = typed.to_lowercase();
    let has = |name: &&&str| name.to_lowercase().contains(&typed);
    let found: Vec<&str> = names.iter().filter(has).copied().collect();
    if !found.is_empty() {
        return found;
    }
    let found = sorted(names, |name| slip(&typed, &name.to_lowercase()));
    if !found.is_empty() {
        return found;
    }
    sorted(names, |name| span(&typed, &name.to_lowercase()))
}

/// Returns the names that have a distance, the nearest first, and of those alike the shortest.
fn sorted<'a>(names: &[&'a str], distance: impl Fn(&str) -> Option<usize>) -> Vec<&'a str> {
    let with = |name: &&'a str| Some((distance(name)?, name.len(), *name));
    let mut found: Vec<_> = names.iter().filter_map(with).collect();
    found.sort_unstable();
    found.into_iter().map(|(.., name)| name).collect()
}

/// Returns over how many letters more than needed these letters are spread in a name; none where it lacks one, or they are
/// spread so far that it is by chance.
fn span(typed: &str, name: &str) -> Option<usize> {
    let first = typed.chars().next()?;
    let starts = name.char_indices().filter(|(_, c)| *c == first);
    let spans = starts.filter_map(|(start, _)| {
        let mut rest = name[start..].char_indices();
        let end = typed
            .chars()
            .map(|wanted| rest.by_ref().find(|(_, c)| *c == wanted).map(|(at, _)| at))
            .collect::<Option<Vec<usize>>>()?;
        Some(end.last()? + 1 - typed.len().min(end.last()? + 1))
    });
    spans.min().filter(|span| *span <= 3 * typed.len())
}

/// Returns how many letters are wrong, where that is few for the length: of the whole name, or of a part of it.
fn slip(typed: &str, name: &str) -> Option<usize> {
    let length = typed.chars().count();
    let allowed = if length < 4 { 0 } else { 1 + length / 8 };
    let parts = name.split(['.', '/', '-']).filter(|_| !typed.contains('.'));
    let near = parts
        .chain([name])
        .filter(|part| part.len().abs_diff(typed.len()) <= allowed);
    let wrong = near.map(|part| strsim::osa_distance(typed, part)).min();
    wrong.filter(|wrong| *wrong <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_by_a_part_by_letters_and_in_spite_of_slips() {
        let names = [
            "services.nginx.enable",
            "services.nginx.virtualHosts",
            "services.openssh.enable",
            "networking.hostName",
        ];
        for (typed, expected) in [
            ("VIRTUAL", vec!["services.nginx.virtualHosts"]),
            ("ngxvhost", vec!["services.nginx.virtualHosts"]),
            (
                "ngnix",
                vec!["services.nginx.enable", "services.nginx.virtualHosts"],
            ),
            ("services.opnessh.enable", vec!["services.openssh.enable"]),
            ("zzz", vec![]),
            ("hsntm", vec![]),
        ] {
            assert_eq!(meant(typed, &names), expected, "{typed}");
        }
    }
}
