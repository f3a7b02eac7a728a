/** Words that make a name: short, friendly, easily told apart and typed. */
const split = (text: string): readonly string[] => text.trim().split(/\s+/);

export const ADJECTIVES = split(`
  amber ample apt arctic bold brave breezy bright brisk calm candid clear clever cosy crisp curious deft eager early
  easy fair fleet fluent fond frank fresh gentle glad golden grand green happy hardy hearty honest humble ideal ivory jolly
  just keen kind lively loyal lucid lucky lunar mellow merry mild modest neat nimble noble open patient placid plain
  polite proud quick quiet rapid ready robust rosy round royal rustic sage serene sharp shiny silent silver simple sleek
  smooth snug social solar solid spry steady still stout sunny sure swift tall tidy tranquil true upbeat vast vivid
  warm wise witty young zesty
`);

export const NOUNS = split(`
  acorn alder anchor arbor aspen badger barley basin bay beacon beech birch bluff breeze bridge brook canoe canyon cape
  cedar cliff clover comet coral cove crane creek crow dale delta dune eagle elm falcon fern field finch fjord forest
  fox garden glacier glade grove gull harbor harvest hazel heath heron hill island ivy juniper kelp kestrel kite lagoon
  lake lantern lark laurel lily linden lynx maple marsh meadow mesa mill moor moss oak oasis olive orchard osprey otter
  owl pebble pine plain poplar prairie quarry raven reef ridge river robin rowan sail salmon shore sparrow spring spruce
  stone stream summit swan thicket tide trail tulip valley walnut wharf willow wren
`);
