// DNS packets come from strangers: any bytes are read or refused, and what is read can be answered within its bound.
#include <cstddef>
#include <cstdint>

#include "actors/dns/message.hpp"
#include "basis/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::dns;
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  (void)write_error(packet, rcode::format_error);
  if (const auto got = read_reply(packet); got.ok())
    for (const auto& r : got->answers) CHECK_THAT(r.data.size() <= 65535 * 2);
  const auto asked = read_query(packet);
  if (!asked.ok()) return 0;
  CHECK_THAT(asked->question_end <= size && asked->name.size() <= 1020);
  answer said;
  said.answers.push_back({asked->name, type_a, 5, address_data("10.0.0.1")});
  said.answers.push_back({asked->name, type_srv, 5, srv_data(0, 0, 1, asked->name)});
  const auto text = write_answer(*asked, packet, said, plain_bytes_max);
  CHECK_THAT(text.size() <= plain_bytes_max);
  const auto back = read_reply(text);
  CHECK_THAT(back.ok() && back->name == asked->name && back->type == asked->type && back->id == asked->id);
  // What we ask in turn is what was asked.
  if (const auto again = write_query(asked->id, asked->name, asked->type); !again.empty()) {
    const auto read = read_query(again);
    CHECK_THAT(read.ok() && read->name == asked->name);
  }
  return 0;
}
