// Who leads: one server at a time runs the controllers, by a Lease that all of them compete for.
#pragma once
#include "actors/runtime/handle.hpp"

namespace troupe::election {

/// candidate -> its owner: the term is ours; from now on we may act.
struct term_began {};
/// candidate -> its owner: the term is over (lost, or not renewed in time by our own clock): stop acting at once.
struct term_ended {};
using office_actor = rt::handle<void(term_began), void(term_ended)>;

struct renew_due {};
/// owner -> candidate: give the term up, so that another need not wait for it to run out. Answers once that is said or
/// cannot be said.
struct resign {};
using candidate_actor = rt::handle<void(renew_due), bool(resign)>;

}  // namespace troupe::election

RT_MESSAGE(troupe::election::term_began)
RT_MESSAGE(troupe::election::term_ended)
RT_MESSAGE(troupe::election::renew_due)
RT_MESSAGE(troupe::election::resign)
