/** Where the policy is when nobody says. Alone here, so that the table of settings loads nothing else. */
export const DEFAULT_POLICY_PATH = "/etc/gantry/policy.json";
