// One request, one answer: starts a call on a loop and hands its end to a callback on the loop's thread.
#pragma once
#include <grpcpp/client_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <memory>
#include <utility>

#include "net/rpc/loop.hpp"

namespace troupe::net::rpc {

/// `prepare` is handed the context and the queue and answers what a stub's PrepareAsync… returns. `done` gets the status
/// and the answer, which it may move from. The loop's thread; the call ends within `limit`.
template <class Reply, class Prepare, class Done>
void call(loop& on, duration limit, Prepare prepare, Done done) {
  struct flying {
    grpc::ClientContext context;
    grpc::Status status;
    Reply reply;
    std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>> reader;
    Done done;
    explicit flying(Done then) : done(std::move(then)) {}
  };
  auto one = std::make_unique<flying>(std::move(done));
  one->context.set_deadline(timespan(limit));
  one->reader = prepare(&one->context, on.queue());
  auto* const raw = one.get();
  raw->reader->StartCall();
  void* const tag = on.expect([&on, one = std::move(one)](bool) {
    on.went(one->status.ok());
    one->done(one->status, one->reply);
  });
  raw->reader->Finish(&raw->reply, &raw->status, tag);
}

}  // namespace troupe::net::rpc
