/** Words that make a name, as Docker's users know them: an adjective, and the surname of somebody who found something out. */
const split = (text: string): readonly string[] => text.trim().split(/\s+/);

export const ADJECTIVES = split(`
  amber ample apt arctic bold brave breezy bright brisk calm candid clear clever cosy crisp curious deft eager early
  easy fair fleet fluent fond frank fresh gentle glad golden grand green happy hardy hearty honest humble ideal ivory jolly
  just keen kind lively loyal lucid lucky lunar mellow merry mild modest neat nimble noble open patient placid plain
  polite proud quick quiet rapid ready robust rosy round royal rustic sage serene sharp shiny silent silver simple sleek
  smooth snug social solar solid spry steady still stout sunny sure swift tall tidy tranquil true upbeat vast vivid
  warm wise witty young zesty
`);

export const SURNAMES = split(`
  abel agnesi ampere archimedes aryabhata avogadro babbage banach bardeen bell bernoulli bohr boltzmann boole born bose
  brahe brahmagupta burnell cannon carson cauchy cavendish chandrasekhar clarke cori coulomb crick curie dalton darwin davy
  descartes dijkstra dirac doppler einstein elion engelbart erdos euclid euler faraday fermat fermi feynman fleming
  fourier franklin galileo galois gauss germain gibbs godel goeppert goodall hamilton hawking heisenberg hertz hilbert hodgkin
  hooke hopper hubble huygens hypatia johnson joule kaplansky kepler khayyam khorana kovalevskaya lagrange lamarr laplace lavoisier
  leavitt leibniz linnaeus lovelace maxwell mcclintock meitner mendel mendeleev mirzakhani mitchell morse napier nash newton
  nobel noether ohm pascal pasteur pauli payne perlman planck poincare ptolemy pythagoras ramanujan raman ride riemann
  ritchie rubin rutherford sagan sanger shannon sinoussi snyder tesla thompson turing volta wallace watt wiles wing wright wu yalow
`);
