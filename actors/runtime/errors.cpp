#include "actors/runtime/errors.hpp"

#include <caf/atom.hpp>
#include <caf/make_message.hpp>
#include <caf/sec.hpp>
#include <caf/exit_reason.hpp>

namespace troupe::rt {

caf::error refuse(errc code, std::string note) {
  return caf::error(static_cast<std::uint8_t>(code), caf::atom("troupe"), caf::make_message(std::move(note)));
}

caf::error refuse(const error& why) { return refuse(why.code, why.note); }

error reason(const caf::error& why) {
  if (why.category() == caf::atom("troupe")) {
    error out{static_cast<errc>(why.code()), {}};
    if (why.context().match_elements<std::string>()) out.note = why.context().get_as<std::string>(0);
    return out;
  }
  if (why == caf::sec::request_timeout) return {errc::timeout, "no answer in time"};
  if (why == caf::sec::request_receiver_down || why.category() == caf::atom("exit"))
    return {errc::unavailable, "the part that answers has ended"};
  return {errc::internal, "an actor failed with code " + std::to_string(why.code())};
}

}  // namespace troupe::rt
