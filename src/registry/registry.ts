/**
 * The registry server: OCI distribution 1.1 over HTTP, one program, one store (a folder or an S3 bucket).
 *
 *     await using registry = await openRegistry({ storage, access, events, settings, log });
 *     registry.serve(call)           // a handler for base/http
 *
 * Its parts, each behind the interface in the file named like its folder:
 * - `storage/`: objects by key, atomic puts, resumable uploads. Drivers `folder` and `s3`, one suite that both run. What is
 *   stored is an OCI layout that other tools read: `oci-layout`, `index.json`, `blobs/sha256/DIGITS`; what the layout cannot
 *   say (which repository has which blob, tags, referrers, uploads) stands beside it, as one small object each, so that many
 *   instances can serve one store without a lock.
 * - `store/`: repositories over objects: manifests, tags, links of blobs, referrers, uploads, quotas. A blob is readable only
 *   through a repository that it was pushed or mounted to (RS-03).
 * - `api/`: the distribution API: paths by a linear parser (RS-07), errors as the specification has them.
 * - `access/`: who somebody is (htpasswd, bearer tokens of our own token service or of others) and what they may do (a policy:
 *   read, write, delete per repository pattern).
 * - `cache/`: pull-through of upstreams.
 * - `collect/`: mark and sweep while pushes run; retention rules.
 * - `events/`: webhooks, audit log, metrics.
 */
export { openRegistry } from "./open-registry.ts";
