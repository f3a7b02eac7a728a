/**
 * What the sandbox runs. What comes from outside is only in "$1", "$2", … and the environment: nothing of it is ever read
 * by the shell, and git is told where options end. GANTRY_AUTH is a header; it is named to git, not written down.
 */
const GIT = `
git() {
  if [ -n "\${GANTRY_AUTH:-}" ]; then command git "--config-env=http.$GANTRY_SCOPE.extraheader=GANTRY_AUTH" "$@"; else command git "$@"; fi
}
`;

/** Outside of a repository nothing is read of one. Refs of "$1": the default branch, or those called "$2". */
export const RESOLVE = `${GIT}
if [ -n "$2" ]; then git ls-remote -- "$1" "$2" "$2^{}"; else git ls-remote --symref -- "$1" HEAD; fi
`;

/**
 * One commit "$2" of "$1", which the ref "$3" leads to, into /tmp/work; "$4": its .git stays; "$5": with submodules. Servers
 * of old that do not give a commit by its name give the ref, or all there is. Says when the commit was made.
 */
export const CHECKOUT = `${GIT}
command git init -q --template= work
cd work
command git remote add -- origin "$1"
git fetch -q --depth=1 --no-tags -- origin "$2" ||
  { [ -n "$3" ] && git fetch -q --depth=1 --no-tags -- origin "$3" && command git cat-file -e "$2^{commit}"; } ||
  git fetch -q --no-tags -- origin '+refs/*:refs/fetched/*'
command git -c advice.detachedHead=false checkout -q --detach "$2" --
if [ "$5" = 1 ] && [ -e .gitmodules ]; then
  git submodule -q update --init --recursive --depth=1 || git submodule -q update --init --recursive
fi
command git log -1 --no-show-signature --format=%ct "$2" --
if [ "$4" = 1 ]; then
  case "$3" in refs/heads/*|refs/tags/*) command git update-ref "$3" "$2" ;; esac
  command git for-each-ref --format='delete %(refname)' refs/fetched | command git update-ref --stdin
  rm -rf .git/FETCH_HEAD .git/logs
else
  find . -name .git -prune -exec rm -rf {} +
fi
`;

/** Whatever the host's configuration says: no prompts, no helpers, no files of other repositories. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  GIT_TERMINAL_PROMPT: "0",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/tmp/home/.gitconfig",
  // Above protocol.file.allow=never: also for submodules, and whatever a repository says.
  GIT_ALLOW_PROTOCOL: "http:https:git:ssh",
  GIT_SSH_VARIANT: "ssh",
  GIT_SSH_COMMAND: "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/tmp/known_hosts",
};

export const CONFIG = `mkdir -p home
cat >home/.gitconfig <<'END'
[protocol "file"]
	allow = never
[protocol "ext"]
	allow = never
[init]
	defaultBranch = main
[core]
	hooksPath = /dev/null
	fsmonitor = false
[credential]
	helper =
[gc]
	auto = 0
[maintenance]
	auto = false
END
`;
