// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <array>
#include <atomic>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <openssl/decoder.h>

#include "base/testing/mem_fs.h"
#include "net/stream/certificate_library.h"
#include "net/testing/raw_socket.h"
#include "net/testing/tls_socket.h"

namespace tocsin::net {
namespace {

using testing::RawListener;
using testing::RawSocket;

class StreamTest : public ::testing::Test {
 protected:
  base::SteadyTime in(std::chrono::milliseconds time) const { return clock_.steady_now() + time; }
  base::SteadyTime later() const { return in(std::chrono::seconds(20)); }
  StatusOr<std::unique_ptr<Stream>> connect(const RawListener& listener) {
    const auto addresses = lookup_.find("127.0.0.1", listener.port(), later());
    return Stream::connect(*addresses, clock_, later());
  }

  const base::SystemClock clock_;
  HostLookup lookup_;
};

TEST_F(StreamTest, WritesAndReads) {
  RawListener listener;
  const auto stream = connect(listener);
  ASSERT_EQ(stream.status(), ok());
  RawSocket peer = listener.accept();
  EXPECT_EQ((*stream)->write("ping\n", later()), ok());
  EXPECT_EQ(peer.read_until("\n"), "ping\n");
  peer.write("pong");
  char buffer[16];
  const StatusOr<std::size_t> got = (*stream)->read(buffer, sizeof(buffer), later());
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(std::string_view(buffer, *got), std::string_view("pong").substr(0, *got));
  peer.close();
}

TEST_F(StreamTest, TheEndIsZeroBytes) {
  RawListener listener;
  const auto stream = connect(listener);
  ASSERT_EQ(stream.status(), ok());
  listener.accept().close();
  char buffer[16];
  EXPECT_EQ((*stream)->read(buffer, sizeof(buffer), later()).value_or(99), 0U);
}

TEST_F(StreamTest, GivesUpAtTheDeadline) {
  RawListener listener;
  const auto stream = connect(listener);
  ASSERT_EQ(stream.status(), ok());
  char buffer[16];
  EXPECT_EQ((*stream)->read(buffer, sizeof(buffer), in(std::chrono::milliseconds(1))).status(),
            deadline_exceeded("i/o timeout"));
  // Nobody reads: at some point nothing more fits.
  const std::string much(64 << 20, 'x');
  EXPECT_EQ((*stream)->write(much, in(std::chrono::milliseconds(50))),
            deadline_exceeded("i/o timeout"));
}

TEST_F(StreamTest, TellsWhoRefused) {
  RawListener listener;
  const std::string address = listener.address();
  const auto addresses = lookup_.find("127.0.0.1", listener.port(), later());
  listener.close();
  EXPECT_EQ(Stream::connect(*addresses, clock_, later()).status(),
            unavailable("dial tcp {}: connect: Connection refused", address));
  EXPECT_EQ(Stream::connect_unix("/nowhere.sock", clock_, later()).status().code(),
            StatusCode::kUnavailable);
  EXPECT_EQ(Stream::connect_unix(std::string(200, 'x'), clock_, later()).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(StreamTest, WhatIsNoTlsIsRefused) {
  RawListener listener;
  const auto stream = connect(listener);
  ASSERT_EQ(stream.status(), ok());
  RawSocket peer = listener.accept();
  peer.write("+OK\r\n+OK\r\n+OK\r\n");
  const auto files = base::testing::make_mem_fs();
  TlsClient tls(*files, {.verify = false});
  const Status status = (*stream)->start_tls(tls, "127.0.0.1", later());
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(message(status).starts_with("tls: ")) << message(status);
}

TEST_F(StreamTest, ASessionTicketIsNothingToRead) {
  RawListener listener;
  const testing::TestCertificate certificate(::testing::TempDir(), {});
  const auto stream = connect(listener);
  ASSERT_EQ(stream.status(), ok());
  testing::Waiter<bool> greet;
  base::ThreadPool server({.name = "server", .threads = 1});
  ASSERT_TRUE(server.post([&] {
    testing::TlsSocket socket(listener.accept(), certificate);
    greet.wait();
    socket.write("hello");
  }));
  TlsClient tls(base::real_file_system(), {.ca_file = certificate.cert_file()});
  EXPECT_EQ((*stream)->start_tls(tls, "127.0.0.1", later()), ok());
  // With TLS 1.3 the server sends two tickets right after the handshake.
  EXPECT_EQ((*stream)->wait_readable(in(std::chrono::milliseconds(50))).code(),
            StatusCode::kDeadlineExceeded);
  greet.set(true);
  EXPECT_EQ((*stream)->wait_readable(later()), ok());
  std::array<char, 16> buffer{};
  const StatusOr<std::size_t> got = (*stream)->read(buffer.data(), buffer.size(), in({}));
  EXPECT_EQ(got.value_or(0), 5U) << message(got.status());
  server.stop();
}

// A handshake with a server of this certificate, which asks the client for one when there is a
// `client_ca_file`. Returns what the client knows of the server; client_name_ is what the server saw.
class HandshakeTest : public StreamTest {
 protected:
  TlsPeer shake_hands(const testing::TestCertificate& certificate, StreamTlsOptions options,
                      const std::string& client_ca_file = "") {
    RawListener listener;
    const auto stream = connect(listener);
    EXPECT_EQ(stream.status(), ok());
    base::ThreadPool server({.name = "server", .threads = 1});
    EXPECT_TRUE(server.post([&] {
      testing::TlsSocket socket(listener.accept(), certificate, client_ca_file);
      client_name_ = socket.client_name();
      socket.write(".");
    }));
    options.ca_file = certificate.cert_file();
    TlsClient tls(base::real_file_system(), std::move(options));
    EXPECT_EQ((*stream)->start_tls(tls, "127.0.0.1", later()), ok());
    EXPECT_EQ((*stream)->wait_readable(later()), ok());
    server.stop();
    return (*stream)->tls_peer().value_or(TlsPeer());
  }

  std::string client_name_;
};

TEST_F(HandshakeTest, KnowsAllKeysThatServersSignWith) {
  for (const char* key : {"RSA", "RSA-PSS", "EC", "ED25519", "ED448"}) {
    SCOPED_TRACE(key);
    const testing::TestCertificate certificate(::testing::TempDir(), {.key = key});
    EXPECT_EQ(shake_hands(certificate, {}).subject, "CN=localhost,O=Tocsin");
    EXPECT_EQ(client_name_, "");
  }
}

TEST_F(HandshakeTest, ShowsACertificateOfItsOwn) {
  for (const char* key : {"RSA", "EC", "ED25519"}) {
    SCOPED_TRACE(key);
    const testing::TestCertificate certificate(::testing::TempDir(), {.key = key});
    shake_hands(certificate,
                {.cert_file = certificate.cert_file(), .key_file = certificate.key_file()},
                certificate.cert_file());
    EXPECT_EQ(client_name_, "localhost");
  }
}

TEST(CertificateLibraryTest, DecodesKeysOfCertificatesOnly) {
  OSSL_LIB_CTX* const library = certificate_library();
  ASSERT_NE(library, nullptr) << "OpenSSL is configured for other providers here";
  std::set<std::string> names;
  OSSL_DECODER_do_all_provided(
      library,
      [](OSSL_DECODER* decoder, void* out) {
        const std::string_view properties = OSSL_DECODER_get0_properties(decoder);
        EXPECT_NE(properties.find("structure=SubjectPublicKeyInfo"), std::string_view::npos);
        static_cast<std::set<std::string>*>(out)->insert(OSSL_DECODER_get0_name(decoder));
      },
      &names);
  EXPECT_EQ(names, (std::set<std::string>{"EC", "ED25519", "ED448", "RSA", "RSA-PSS"}));
}

TEST(TlsClientTest, NamesTheFileThatIsMissing) {
  const auto files = base::testing::make_mem_fs();
  const auto error = [&](StreamTlsOptions options) {
    return std::string(message(TlsClient(*files, std::move(options)).context().status()));
  };
  EXPECT_TRUE(
      error({.ca_file = "/nowhere.pem"}).starts_with("tls: reading certificates of /nowhere.pem: "))
      << error({.ca_file = "/nowhere.pem"});
  EXPECT_TRUE(error({.cert_file = "/c.pem", .key_file = "/k.pem"})
                  .starts_with("tls: reading the certificate /c.pem: "));
}

TEST(HostLookupTest, SharesALookUpAndNeverWaitsLonger) {
  const base::SystemClock clock;
  testing::Waiter<bool> release;
  std::atomic<int> asked = 0;
  SocketAddress loopback;
  loopback.storage.ss_family = AF_INET;
  HostLookup lookup([&](const std::string&) -> StatusOr<SocketAddresses> {
    ++asked;
    release.wait();
    return SocketAddresses{loopback};
  });
  const auto soon = [&] { return clock.steady_now() + std::chrono::milliseconds(20); };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(lookup.find("slow.test", 1, soon()).status(),
              deadline_exceeded("lookup slow.test: i/o timeout"));
  }
  EXPECT_EQ(lookup.pending(), 1U);
  release.set(true);
  const auto later = clock.steady_now() + std::chrono::seconds(20);
  EXPECT_EQ(lookup.find("127.0.0.1", 80, later)->size(), 1U) << "an address needs no look-up";
  // Nobody asks again meanwhile: a caller after the answer would start a look-up of its own.
  while (lookup.pending() != 0) std::this_thread::yield();
  EXPECT_EQ(asked, 1) << "three callers, one look-up";
}

TEST(HostLookupTest, RefusesWhenTooManyNamesWait) {
  const base::SystemClock clock;
  base::Mutex mutex;
  base::CondVar changed;
  bool open = false;
  HostLookup lookup([&](const std::string& host) -> StatusOr<SocketAddresses> {
    base::MutexLock lock(mutex);
    while (!open) changed.wait(mutex);
    return not_found("lookup {}: no such host", host);
  });
  StatusCode last = StatusCode::kOk;
  for (int i = 0; i < 200 && last != StatusCode::kResourceExhausted; ++i) {
    const auto deadline = clock.steady_now() + std::chrono::milliseconds(1);
    last = lookup.find(fmt::format("host{}.test", i), 1, deadline).status().code();
  }
  EXPECT_EQ(last, StatusCode::kResourceExhausted);
  base::MutexLock lock(mutex);
  open = true;
  changed.notify_all();
}

}  // namespace
}  // namespace tocsin::net
