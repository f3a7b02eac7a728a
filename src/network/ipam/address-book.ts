/**
 * Which addresses of a network are given away. In memory, from the stored endpoints; giving one costs the same with one
 * container as with thousands.
 */
import { fail } from "#base/errors.ts";
import { contains, formatAddress, parseAddress, parsePrefix, rangeOf, toNumber, type Prefix } from "./addresses.ts";
import type { Attachment, NetworkRecord, Subnet } from "../network.ts";
import { nextAddress, type AddressTurn } from "./pools.ts";

export type AddressBook = {
  /**
   * An address of that family, the wanted one if there is one. undefined: the network has no subnet of the family.
   * @throws forbidden ("Address already in use"), invalid, unavailable (none left), with Docker's texts
   */
  take(network: NetworkRecord, family: 4 | 6, wanted: string): Given | undefined;
  keep(attachment: Attachment): void;
  release(attachment: Attachment): void;
  /** The network is gone. */
  forget(networkId: string): void;
};

export type Given = { readonly address: string; readonly prefixLength: number; readonly gateway: string };

type Page = { readonly subnet: Subnet; readonly prefix: Prefix; readonly used: Set<bigint>; readonly turn: AddressTurn };

/** `networks`: as they are when it is asked. */
export function openAddressBook(find: (networkId: string) => NetworkRecord | undefined): AddressBook {
  const books = new Map<string, readonly Page[]>();
  const pagesOf = (network: NetworkRecord): readonly Page[] => {
    const known = books.get(network.id);
    if (known !== undefined) return known;
    const pages = network.ipam.configs.map(openPage);
    books.set(network.id, pages);
    return pages;
  };
  const eachAddress = ({ networkId, address, address6 }: Attachment, act: (page: Page, number: bigint) => void) => {
    const network = find(networkId);
    if (network === undefined) return;
    for (const bytes of [address, address6].map((text) => parseAddress(text))) {
      const page = bytes === undefined ? undefined : pagesOf(network).find(({ prefix }) => contains(prefix, bytes));
      if (page !== undefined) act(page, toNumber(bytes!));
    }
  };
  return {
    take(network, family, wanted) {
      const pages = pagesOf(network).filter(({ prefix }) => prefix.address.length === (family === 4 ? 4 : 16));
      // A plugin gives its addresses itself; what is wanted is taken to it.
      if (network.ipam.pools !== undefined) return wanted === "" ? undefined : wantedOf(pages, wanted);
      if (wanted !== "") return takeWanted(pages, wanted);
      if (pages.length === 0) return undefined;
      return takeNext(pages) ?? exhausted(network, family);
    },
    keep: (attachment) => eachAddress(attachment, ({ used }, number) => used.add(number)),
    release: (attachment) => eachAddress(attachment, ({ used, subnet }, number) => void (reserved(subnet).has(number) || used.delete(number))),
    forget: (networkId) => void books.delete(networkId),
  };
}

function openPage(subnet: Subnet): Page {
  return { subnet, prefix: parsePrefix(subnet.subnet)!, used: reserved(subnet), turn: { next: 0n } };
}

/** Of the bridge, of another router, those that are somebody else's, and those that are nobody's. */
function reserved({ subnet, gateway, route, aux = {} }: Subnet): Set<bigint> {
  const texts = [gateway, route ?? "", ...Object.values(aux)].filter((text) => text !== "");
  return new Set([...texts.map((text) => toNumber(parseAddress(text)!)), ...nobodys(parsePrefix(subnet)!)]);
}

/** The subnet's own address, and IPv4's broadcast. */
export function nobodys(prefix: Prefix): bigint[] {
  const { first, last } = rangeOf(prefix);
  if (last - first < 2n) return [];
  return prefix.address.length === 4 ? [first, last] : [first];
}

function wantedOf(pages: readonly Page[], wanted: string): Given {
  const { page, address } = findPage(pages, wanted);
  return givenOf(page, address);
}

function takeWanted(pages: readonly Page[], wanted: string): Given {
  const { page, address } = findPage(pages, wanted);
  const number = toNumber(address);
  if (page.used.has(number)) throw fail("forbidden", "Address already in use");
  page.used.add(number);
  return givenOf(page, address);
}

function findPage(pages: readonly Page[], wanted: string): { page: Page; address: Buffer } {
  const address = parseAddress(wanted);
  const page = address === undefined ? undefined : pages.find(({ prefix }) => contains(prefix, address));
  if (address === undefined || page === undefined) throw fail("invalid", `invalid address ${wanted}: It does not belong to any of this network's subnets`);
  return { page, address };
}

function takeNext(pages: readonly Page[]): Given | undefined {
  for (const page of pages) {
    const address = nextAddress(page.subnet, page.used, page.turn);
    if (address === undefined) continue;
    page.used.add(toNumber(address));
    return givenOf(page, address);
  }
  return undefined;
}

const givenOf = ({ subnet, prefix }: Page, address: Uint8Array): Given => ({
  address: formatAddress(address),
  prefixLength: prefix.prefixLength,
  gateway: subnet.route ?? subnet.gateway,
});

function exhausted({ name, id }: NetworkRecord, family: 4 | 6): never {
  throw fail("unavailable", `no available IPv${family} addresses on this network's address pools: ${name} (${id})`);
}
