// The bridge between troupe::error and the actor library's error (category "troupe").
#pragma once
#include <caf/error.hpp>

#include "basis/result.hpp"

namespace troupe::rt {

/// For handlers: `return rt::refuse(errc::unavailable, "...")`.
caf::error refuse(errc code, std::string note = {});
caf::error refuse(const error& why);
/// What an ask that failed has to say: our own errors as they were, an actor that is gone as
/// unavailable, a limit that passed as timeout, everything else as internal.
error reason(const caf::error& why);

}  // namespace troupe::rt
