//! From a goal to a plan: reads the manifest and the host, and has each part of the decision made. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use crate::accounts::apply::{Circumstances, Decided};
use crate::accounts::decide::{AccountsReport, Scripts};
use crate::activation::admission;
use crate::activation::install::Install;
use crate::activation::observe::{self, Observed};
use crate::activation::plan::{self, Goal, Plan};
use crate::activation::plan_tmpfiles::plan_tmpfiles;
use crate::activation::plan_units;
use crate::activation::state::{Active, State};
use crate::activation::{beneath, ephemeral, graphics, lost_shells, packages_change};
use crate::basics::decide::BasicsPlan;
use crate::blocks::decide::BlockChange;
use crate::files::built::Originals;
use crate::files::decide::FilesPlan;
use crate::files::observe::Known;
use crate::files::vendor::{self, Vendors};
use crate::files::wanted::{Desired, read_desired};
use crate::host::fs::Root;
use crate::host::systemd::Systemd;
use crate::model::conflict::Conflict;
use crate::model::manifest::{Accounts, Basics, Manifest};
use crate::model::names::{AbsolutePath, TargetPath};
use crate::model::node::Node;
use crate::model::owners::Owners;
use crate::model::text::Text;
use crate::scripts::decide::{Action, Occasion, ScriptsPlan};
use crate::store::toplevel::read_manifest;
use crate::units::decide::{Ground, UnitPlan};
use crate::units::layers::Layers;
use crate::units::set::{Live, UnitSet};
use crate::{accounts, basics, blocks, files, scripts};

/// A plan with what it takes to apply it.
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// What activation scripts are told that is being done.
    pub action: Action,
    /// The generation that a rollback goes to.
    pub back_to: Option<u64>,
    pub(crate) state: State,
    pub(crate) accounts: Option<Accounts>,
    pub(crate) before: Live,
    pub(crate) ground: Ground,
    pub(crate) new_units: UnitSet,
    /// What the host has of the units that change.
    pub(crate) beneath: UnitSet,
    pub(crate) systemd: Option<Systemd>,
    pub(crate) user_units: Option<(UnitSet, UnitSet)>,
    pub(crate) user_units_before: BTreeMap<TargetPath, Text>,
}

impl Prepared {
    /// Returns the units of the new generation, upon those of the host.
    pub(crate) fn layers(&self) -> Layers<'_> {
        Layers {
            ours: &self.new_units,
            beneath: &self.beneath,
        }
    }
}

/// How a plan is made.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct How {
    /// Whether options without effect forbid it.
    pub strict: bool,
    /// Whether all activation scripts run, also where nothing else is to be done.
    pub all_scripts: bool,
    /// Whether it is of this boot only.
    pub ephemeral: bool,
    /// Whether files are placed only, and all else is left to the next boot.
    pub pre_populate: bool,
}

impl How {
    /// Why activation scripts run, if they do.
    fn occasion(self, changes: bool) -> Occasion {
        match (self.all_scripts, changes) {
            (true, _) => Occasion::Asked,
            (false, true) => Occasion::Changes,
            (false, false) => Occasion::Nothing,
        }
    }
}

/// Reads the host and decides what reaching `goal` takes. Changes nothing.
///
/// # Errors
/// When the manifest, the state or the host can't be read.
pub fn prepare(root: &Root, goal: Goal, how: How) -> Result<Prepared> {
    let (goal, of_this_boot) = ephemeral::resolve(root, goal, how.ephemeral)?;
    let manifest = match &goal {
        Goal::Activate(toplevel) => Some(read_manifest(Path::new(toplevel.as_str()))?),
        Goal::Deactivate => None,
    };
    let state = State::read(root)?;
    let desired = manifest
        .as_ref()
        .map(|manifest| desired(root, &state, manifest));
    let desired = desired.transpose()?.unwrap_or_default();
    let mut observed = observe::read_host(root, state, &desired)?;
    let record = &observed.state.files;
    let vendors = files::observe::read_vendors(root, &desired, record)?;
    files::observe::look_at_packages(root, &desired, record, &vendors, &mut observed.seen.files)?;
    let sources = Sources {
        root,
        manifest: manifest.as_ref(),
        desired: &desired,
        observed: &observed,
        vendors: &vendors,
    };
    let mut accounts = sources.decide_accounts(Scripts::None)?;
    let mut plan = sources.plan(goal, how, &mut accounts)?;
    plan.ephemeral = of_this_boot;
    let mut prepared = Prepared {
        plan,
        action: Action::Switch,
        back_to: None,
        state: observed.state,
        accounts: manifest.as_ref().map(|m| m.accounts.clone()),
        before: Live::default(),
        ground: Ground::default(),
        new_units: UnitSet::default(),
        beneath: UnitSet::default(),
        systemd: None,
        user_units: None,
        user_units_before: BTreeMap::new(),
    };
    if root.is_live() {
        plan_units::plan(root, &mut prepared, observed.interrupted)?;
    }
    prepared
        .plan
        .conflicts
        .extend(admission::conflict(root, &desired)?);
    (prepared.plan.conflicts).extend(ephemeral::find_conflicts(root, &prepared.plan)?);
    if !prepared.plan.is_empty() {
        if let Some(manifest) = &manifest {
            let notes = beneath::wanted_by_nobody(root, manifest, &desired)?;
            prepared.plan.units.notes.extend(notes);
        }
        (prepared.plan.conflicts).extend(find_obstacles(root, &prepared.plan, &accounts)?);
    }
    // The program ends soon. To give back thousands of texts, one by one, is a tenth of a switch that changes nothing.
    std::mem::forget((desired, observed.seen));
    std::mem::forget(manifest);
    Ok(prepared)
}

/// Lists what a configuration wants.
///
/// # Errors
/// When something that it names is missing.
pub(super) fn desired<'a>(
    root: &Root,
    state: &State,
    manifest: &'a Manifest,
) -> Result<Desired<'a>> {
    let additions = beneath::additions(root, manifest, &state.files)?;
    read_desired(manifest, &*additions)
}

/// What the plan is decided from.
pub(super) struct Sources<'a> {
    pub(super) root: &'a Root,
    pub(super) manifest: Option<&'a Manifest>,
    pub(super) desired: &'a Desired<'a>,
    pub(super) observed: &'a Observed,
    pub(super) vendors: &'a Vendors,
}

impl Sources<'_> {
    /// Has each kind decide, but for units, and puts the plan together.
    fn plan(&self, goal: Goal, how: How, accounts: &mut Decided) -> Result<Plan> {
        let (root, state) = (self.root, &self.observed.state);
        let mut conflicts = std::mem::take(&mut accounts.conflicts);
        let files = self.plan_files(&goal, &accounts.owners, &mut conflicts)?;
        let (tmpfiles, more) =
            plan_tmpfiles(root, self.desired, &files, self.observed, &accounts.owners)?;
        conflicts.extend(more);
        self.refuse(how, &files, &mut conflicts)?;
        let blocks = self.plan_blocks(&files, &mut conflicts)?;
        let basics = self.plan_basics(&files, &blocks, &mut conflicts)?;
        let becomes = active_after(&goal, self.manifest);
        let (from, interrupted) = (state.active.as_ref(), self.observed.interrupted.as_ref());
        let mut plan = Plan {
            version: plan::VERSION,
            goal,
            from: from.map(|a| a.toplevel.clone()),
            state: state.identity()?,
            resumes: interrupted.map(|i| i.purpose.clone()),
            conflicts,
            takeover: self.observed.takeover.clone(),
            install: Install::missing(root, self.manifest, &self.observed.family)?,
            checks: self.list(|m| &m.pre_activation_checks),
            health_checks: self.list(|m| &m.health_checks),
            diffs: files::diff::read_diffs(root, &files)?,
            beside: files::observe::find_beside(root, self.desired, &state.files, self.vendors)?,
            scripts: ScriptsPlan::default(),
            tmpfiles,
            files,
            blocks,
            basics,
            accounts: AccountsReport::default(),
            user_managers: Vec::new(),
            units: UnitPlan::default(),
            packages: packages_change::ask(root, from, becomes.as_ref()),
            becomes,
            warnings: graphics::warning(root, self.desired)?.into_iter().collect(),
            no_effect: self.list(|m| &m.no_effect),
            ephemeral: None,
            pre_populates: how.pre_populate,
        };
        self.add_scripts(&mut plan, how, accounts)?;
        Ok(plan)
    }

    /// Adds the scripts that run, and the accounts, of which a script may decide something.
    fn add_scripts(&self, plan: &mut Plan, how: How, accounts: &mut Decided) -> Result<()> {
        let occasion = how.occasion(plan.changes_files() || accounts.report.is_due);
        let (root, state) = (self.root, &self.observed.state);
        plan.scripts = plan_scripts(root, &plan.goal, self.manifest, state, occasion)?;
        if how.pre_populate {
            // The boot runs them all.
            plan.scripts.run.clear();
        }
        if plan.scripts.run.iter().any(|script| script.before_accounts) {
            *accounts = self.decide_accounts(Scripts::Will)?;
        }
        plan.accounts = std::mem::take(&mut accounts.report);
        let missing = missing_scripts(&plan.scripts).filter(|_| root.is_live());
        plan.conflicts.extend(missing);
        Ok(())
    }

    fn decide_accounts(&self, scripts: Scripts) -> Result<Decided> {
        let wanted = self.manifest.map(|m| &m.accounts);
        let about = Circumstances {
            expected: self.observed.state.accounts,
            takes_over: self.observed.takes_shells,
            scripts,
        };
        accounts::apply::decide(self.root, wanted, about)
    }

    pub(super) fn plan_files(
        &self,
        goal: &Goal,
        owners: &Owners,
        conflicts: &mut Vec<Conflict>,
    ) -> Result<FilesPlan> {
        let state = &self.observed.state;
        let toplevel = match goal {
            Goal::Activate(toplevel) => toplevel.as_str(),
            Goal::Deactivate => "",
        };
        let active = state.active.as_ref().map_or("", |a| a.toplevel.as_str());
        let originals = [Originals::of(toplevel), Originals::of(active)];
        let known = Known {
            owners,
            record: &state.files,
            vendors: self.vendors,
            originals: &originals[0],
        };
        let (wanted, more) = files::observe::resolve_wanted(self.desired, &known)?;
        let damaged = files::observe::look_at_store(&wanted, &state.files, &originals)?;
        let mut files = files::decide::plan_files(
            &wanted,
            &state.files,
            state.backups.next,
            &self.observed.seen.files,
            &damaged,
        );
        std::mem::forget(wanted);
        conflicts.extend(more);
        conflicts.append(&mut files.conflicts);
        Ok(files)
    }

    fn plan_blocks(
        &self,
        files: &FilesPlan,
        conflicts: &mut Vec<Conflict>,
    ) -> Result<Vec<BlockChange>> {
        let state = &self.observed.state;
        let kept = files.kept().count() as u64;
        let wanted = self.wanted_blocks(files)?;
        let mut seen = blocks::observe::observe(self.root, wanted.keys())?;
        seen.extend(self.observed.seen.blocks.clone());
        let (blocks, more) = blocks::decide::decide(&blocks::decide::Facts {
            wanted: &wanted,
            record: &state.blocks,
            seen: &seen,
            owned_folders: &state.files.folders,
            files,
            next_backup: state.backups.next + kept,
        });
        conflicts.extend(more);
        Ok(blocks)
    }

    pub(super) fn plan_basics(
        &self,
        files: &FilesPlan,
        blocks: &[BlockChange],
        conflicts: &mut Vec<Conflict>,
    ) -> Result<BasicsPlan> {
        let (state, nothing) = (&self.observed.state, Basics::default());
        let wanted = self.manifest.map_or(&nothing, |m| &m.basics);
        let kept = files.kept().count() + blocks.iter().filter(|b| b.keep.is_some()).count();
        let is_debian = self.observed.family == "debian";
        let (mut plan, more) = basics::decide::decide(&basics::decide::Facts {
            wanted,
            record: &state.basics,
            seen: &basics::observe::observe(self.root, wanted, &state.basics, is_debian)?,
            entries: &self
                .desired
                .keys()
                .chain(state.files.entries.keys())
                .collect(),
            next_backup: state.backups.next + kept as u64,
        })?;
        conflicts.extend(more);
        if self.root.is_live() && !plan.is_empty() {
            plan.warnings = basics::observe::warnings(wanted, is_debian);
        }
        Ok(plan)
    }

    /// The lines that are wanted in files of others; among them those by which dpkg leaves our files alone.
    fn wanted_blocks(&self, files: &FilesPlan) -> Result<BTreeMap<TargetPath, String>> {
        let mut blocks = self.manifest.map(|m| m.blocks.clone()).unwrap_or_default();
        for text in blocks.values_mut() {
            // Lines: what follows the last one is the mark of their end.
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
        }
        if let Some(line) = self.own_line()? {
            blocks.entry("hosts".parse()?).or_default().push_str(&line);
        }
        let settings: TargetPath = vendor::DPKG_SETTINGS.parse()?;
        let folder = settings.in_etc();
        let folder = folder.parent().map(|f| self.root.node(f)).transpose()?;
        let owned = &self.observed.state.files.entries;
        let is_ours = |target: &TargetPath| {
            owned.contains_key(target) || files.writes.iter().any(|c| c.target == *target)
        };
        let is_conffile = |target: &&TargetPath| {
            self.vendors.get(*target).is_some_and(|v| v.is_config) && is_ours(target)
        };
        let mut conffiles = self.desired.keys().filter(is_conffile).peekable();
        if folder == Some(Node::Folder) && conffiles.peek().is_some() {
            blocks.insert(settings, vendor::render_settings(conffiles));
        }
        Ok(blocks)
    }

    /// The line in `/etc/hosts` by which a host with a new name still finds itself.
    fn own_line(&self) -> Result<Option<String>> {
        let name = self.manifest.and_then(|m| m.basics.host_name.as_ref());
        let Some(name) = name else { return Ok(None) };
        let hosts: TargetPath = "hosts".parse()?;
        let seen = blocks::observe::observe(self.root, [&hosts].into_iter())?;
        let others = seen.get(&hosts).map(blocks::decide::without_ours);
        let text = others.unwrap_or_default();
        Ok(basics::places::own_line(
            name,
            &String::from_utf8_lossy(&text),
        ))
    }

    /// What of the configuration this host can't have.
    fn refuse(&self, how: How, files: &FilesPlan, found: &mut Vec<Conflict>) -> Result<()> {
        let Some(manifest) = self.manifest else {
            return Ok(());
        };
        let family = &self.observed.family;
        found.extend(observe::missing_programs(self.root, manifest, family)?);
        found.extend(beneath::incomplete(manifest, self.desired, &files.writes));
        found.extend(without_effect(manifest).filter(|_| how.strict));
        let reserved = files::reserved::find(self.desired.keys().chain(manifest.blocks.keys()))?;
        for (target, remedy) in reserved {
            let subject = format!("/etc/{target}");
            // That it is there already could be mended, and would not help.
            found.retain(|other| other.subject != subject);
            found.push(Conflict {
                subject,
                cause: "is never replaced as a whole".to_owned(),
                remedy,
            });
        }
        Ok(())
    }

    fn list<T: Clone>(&self, of: impl Fn(&Manifest) -> &Vec<T>) -> Vec<T> {
        self.manifest.map(|m| of(m).clone()).unwrap_or_default()
    }
}

/// What only shows once the whole plan is there.
fn find_obstacles(root: &Root, plan: &Plan, accounts: &Decided) -> Result<Vec<Conflict>> {
    let mut found = lost_shells::find(root, plan, accounts)?;
    found.extend(observe::obstacles(root, plan)?);
    Ok(found)
}

/// A script that is not below this root can't be run there.
fn plan_scripts(
    root: &Root,
    goal: &Goal,
    manifest: Option<&Manifest>,
    state: &State,
    occasion: Occasion,
) -> Result<ScriptsPlan> {
    let (Goal::Activate(toplevel), Some(manifest)) = (goal, manifest) else {
        return Ok(ScriptsPlan::default());
    };
    let wanted = &manifest.activation_scripts;
    let mut there = BTreeSet::new();
    for script in wanted.iter().map(|s| &s.script) {
        let path = Path::new(script.as_str().trim_start_matches('/'));
        if matches!(root.node(path)?, Node::File { .. } | Node::Link { .. }) {
            there.insert(script.clone());
        }
    }
    let is_there = |script: &AbsolutePath| there.contains(script);
    let record = &state.scripts;
    Ok(scripts::decide::decide(
        wanted, toplevel, record, occasion, is_there,
    ))
}

fn missing_scripts(plan: &ScriptsPlan) -> impl Iterator<Item = Conflict> {
    plan.later.iter().map(|name| Conflict {
        subject: format!("the activation script `{name}`"),
        cause: "is not in the store".to_owned(),
        remedy: files::observe::INCOMPLETE.to_owned(),
    })
}

/// What `--strict` refuses.
fn without_effect(manifest: &Manifest) -> impl Iterator<Item = Conflict> {
    manifest.no_effect.iter().map(|item| Conflict {
        subject: format!("the option `{}`", item.option),
        cause: format!(
            "has no effect on this host, but is set by {}",
            item.defined_in.join(", ")
        ),
        remedy: "remove it, or leave out --strict".to_owned(),
    })
}

fn active_after(goal: &Goal, manifest: Option<&Manifest>) -> Option<Active> {
    match (goal, manifest) {
        (Goal::Activate(toplevel), Some(manifest)) => Some(Active {
            toplevel: toplevel.clone(),
            packages: manifest.packages.names.clone(),
        }),
        _ => None,
    }
}
