/**
 * What clients may ask for, in BuildKit's words. The gateway: Dockerfiles and questions about them. Of graphs' abilities
 * those are named by which clients decide which of a build's options they pass on.
 */
const enabled = (ids: readonly string[]) => ids.map((id) => ({ id, enabled: true }));

export const FRONTEND_CAPABILITIES = enabled([
  "solve.base", "solve.inlinereturn", "return", "returnmap", "importcaches", "proto.refarray", "reference.output", "frontend.inputs", "gateway.solve.metadata", "frontend.caps", "gateway.evaluate", "gateway.solve.evaluate",
  "readfile", "statfile",
]);

export const LLB_CAPABILITIES = enabled([
  "source.image", "source.image.resolvemode", "source.local", "source.local.unique", "source.local.sessionid", "source.local.includepatterns", "source.local.followpaths", "source.local.excludepatterns", "source.local.sharedkeyhint",
  "source.git", "source.git.keepgitdir", "source.git.fullurl", "source.git.subdir", "source.http", "source.http.checksum", "source.ocilayout", "exec.meta.base", "exec.meta.network", "exec.meta.ulimit", "exec.meta.cgroup.parent",
  "exec.mount.cache", "exec.mount.cache.sharing", "exec.mount.secret", "exec.mount.ssh", "exec.mount.tmpfs", "exec.mount.tmpfs.size", "file.base", "constraints", "platform", "meta.ignorecache", "meta.description", "meta.exportcache",
  "mergeop", "exporter.image.annotations", "exporter.image.attestations", "exporter.sourcedateepoch", "exporter.multiple", "gc.freespacefilter",
]);
