#!/usr/bin/python
"""An Ansible module: brings a host to a configuration with system-manager, or takes away what it manages."""

# No __future__ annotations: Ansible runs modules with the Python of the managed host.

import json

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: system_manager
short_description: Bring a host to a configuration with system-manager
description:
  - Runs C(system-manager switch), on the host that Ansible manages, or from there on another one with O(target_host).
  - In check mode it runs C(system-manager plan); nothing is changed. With C(--diff), the differences are those of the plan.
options:
  source:
    description: A toplevel, a file, or a flake, as C(system-manager switch) takes it. Required with O(state=present).
    type: str
  state:
    description: V(present) switches to O(source), V(absent) takes away all that is managed.
    type: str
    choices: [present, absent]
    default: present
  target_host:
    description: Another host, reached by ssh from the one on which the module runs, which is then often C(localhost).
    type: str
  rollback_on_failure:
    description: Go back to what was there when units, scripts or health checks fail.
    type: bool
    default: false
  program:
    description: The program.
    type: str
    default: system-manager
  arguments:
    description: More arguments for each command, such as C(--sudo) or C(--nixpkgs).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
"""

EXAMPLES = r"""
- name: The host is as its configuration says
  system_manager:
    source: /nix/store/...-system-manager-web

- name: Hosts without Nix, from the machine that runs Ansible
  system_manager:
    source: .#{{ inventory_hostname }}
    target_host: root@{{ ansible_host }}
  delegate_to: localhost
"""

RETURN = r"""
plan:
  description: What was planned, as C(system-manager plan --json) prints it.
  type: dict
  returned: always
outcome:
  description: What came of it, as C(system-manager switch --json) prints it.
  type: dict
  returned: when something was done
"""

# Of the program: nothing to do, and something to do with --detailed-exitcode.
DONE, CHANGES = 0, 10


def command(module, verb, *flags):
    """Returns the command that runs the program."""
    given = module.params
    argv = [given["program"], "--quiet", "--json", verb]
    if given["state"] == "absent" and verb == "plan":
        argv.append("--deactivate")
    if given["state"] == "present":
        argv.append(given["source"])
    if given["target_host"]:
        argv += ["--target-host", given["target_host"]]
    return argv + list(flags) + given["arguments"]


def run(module, argv):
    """Runs the program. Returns its exit code, what it printed as data, and what it said."""
    code, printed, said = module.run_command(argv)
    try:
        data = json.loads(printed) if printed.strip() else None
    except ValueError:
        module.fail_json(msg="system-manager printed no JSON", cmd=argv, rc=code, stdout=printed, stderr=said)
    return code, data, said


def fail(module, code, said, **more):
    """Ends the module: the host is not as it was asked for."""
    lines = [line for line in said.splitlines() if line.strip()] or ["exit code %d" % code]
    module.fail_json(msg="\n".join(lines), rc=code, **more)


def differences(plan):
    """Returns a plan's differences as Ansible shows them."""
    return [{"prepared": "/etc/%s\n%s" % (path.split("/etc/", 1)[-1], text)} for path, text in sorted(plan["diffs"].items())]


def main():
    """Plans, and, unless only that was asked for, does it."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "target_host": {"type": "str"},
            "rollback_on_failure": {"type": "bool", "default": False},
            "program": {"type": "str", "default": "system-manager"},
            "arguments": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[("state", "present", ["source"])],
        supports_check_mode=True,
    )
    code, plan, said = run(module, command(module, "plan", "--detailed-exitcode"))
    if code not in (DONE, CHANGES) or plan is None:
        fail(module, code, said, changed=False, plan=plan)
    result = {"changed": code == CHANGES, "plan": plan}
    if module._diff:
        result["diff"] = differences(plan)
    # What changes nothing is done all the same: health checks run, and what has failed is tried again.
    if module.check_mode:
        module.exit_json(**result)
    if module.params["state"] == "absent":
        argv = command(module, "deactivate")
    else:
        argv = command(module, "switch", *(["--rollback-on-failure"] if module.params["rollback_on_failure"] else []))
    code, outcome, said = run(module, argv)
    result["outcome"] = outcome
    if code != DONE:
        # Part of it may have been done, or undone.
        untouched = code == 1 or bool(outcome and outcome.get("isUntouched"))
        fail(module, code, said, **dict(result, changed=not untouched))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
