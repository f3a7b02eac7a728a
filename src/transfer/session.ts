/** Requests to one repository, over its hosts in order, with what each needs: addresses, TLS, credentials, attempts. */
import type { Access, Repository } from "./transfer.ts";

export type Session = { readonly repository: Repository; readonly access: Access };
