// SPDX-License-Identifier: Apache-2.0
#include "net/tls_server.h"

#include <array>
#include <csignal>

#include <gtest/gtest.h>

#include "net/beast.h"
#include "net/stream.h"
#include "net/testing/raw_socket.h"
#include "net/testing/tls_socket.h"

namespace tocsin::net {
namespace {

using testing::RawHttp;
using testing::TestCertificate;
using testing::Waiter;

HttpResponse echo(const HttpRequest& request) {
  return HttpResponse::text(200, request.method + " " + request.target + " " + request.body);
}

class TlsServerTest : public ::testing::Test {
 protected:
  TlsServerTest() {
    std::signal(SIGPIPE, SIG_IGN);  // as programs with TLS do: OpenSSL writes to sockets itself
    use(own_);
  }
  ~TlsServerTest() override {
    if (server_) server_->stop();
  }

  void use(const TestCertificate& certificate) {
    const auto options = options_.lock();
    options->cert_file = certificate.cert_file();
    options->key_file = certificate.key_file();
  }
  void start(Handler handler = echo) {
    auto tls = TlsServer::open(base::real_file_system(),
                               [this]() -> StatusOr<TlsServerOptions> { return *options_.lock(); });
    ASSERT_EQ(tls.status(), ok());
    HttpServerOptions options;
    options.listen_addresses = {"127.0.0.1:0"};
    server_ = make_beast_server(
        options, std::move(handler),
        {.loop = loop_, .handlers = pool_, .clock = clock_, .tls = *std::move(tls)});
    ASSERT_EQ(server_->start(), ok());
  }
  base::SteadyTime later() const { return clock_.steady_now() + std::chrono::seconds(20); }

  // Connects and shakes hands.
  StatusOr<std::unique_ptr<Stream>> connect(StreamTlsOptions options) {
    const std::string address = server_->addresses().at(0);
    const auto port = std::stoi(address.substr(address.rfind(':') + 1));
    ASSIGN_OR_RETURN(const SocketAddresses addresses,
                     lookup_.find("127.0.0.1", static_cast<std::uint16_t>(port), later()));
    ASSIGN_OR_RETURN(auto stream, Stream::connect(addresses, clock_, later()));
    TlsClient tls(base::real_file_system(), std::move(options));
    RETURN_IF_ERROR(stream->start_tls(tls, "127.0.0.1", later()));
    return stream;
  }
  StatusOr<std::unique_ptr<Stream>> connect() { return connect({.ca_file = own_.cert_file()}); }
  // Reads until the connection ends.
  StatusOr<std::string> read_all(Stream& stream) const {
    std::string out;
    std::vector<char> piece(64 << 10);
    for (;;) {
      ASSIGN_OR_RETURN(const std::size_t got, stream.read(piece.data(), piece.size(), later()));
      if (got == 0) return out;
      out.append(piece.data(), got);
    }
  }
  // The last line of what the server answers to a GET; or the error. With TLS 1.3 a client hears
  // only when it reads that the server did not like its certificate.
  std::string get(StreamTlsOptions options) {
    StatusOr<std::unique_ptr<Stream>> stream = connect(std::move(options));
    if (!stream.ok()) return std::string(message(stream.status()));
    const Status sent =
        (*stream)->write("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", later());
    const StatusOr<std::string> answer = read_all(**stream);
    if (!answer.ok()) return std::string(message(answer.status()));
    return answer->substr(answer->rfind('\n') + 1);
  }
  std::string get() { return get({.ca_file = own_.cert_file()}); }
  std::string get(const TestCertificate& client) {
    return get({.ca_file = own_.cert_file(),
                .cert_file = client.cert_file(),
                .key_file = client.key_file()});
  }

  const std::string folder_ = ::testing::TempDir();
  const TestCertificate own_{folder_, {}};
  base::SystemClock clock_;
  HostLookup lookup_;
  base::Guarded<TlsServerOptions> options_;
  IoLoop loop_{clock_};
  base::ThreadPool pool_{{.name = "handlers", .threads = 2}};
  std::unique_ptr<HttpServer> server_;
};

constexpr std::string_view kGood = "GET /a ";

TEST_F(TlsServerTest, ServesRequests) {
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_EQ(get(), kGood);
  EXPECT_EQ(get({}), "tls: failed to verify certificate: self-signed certificate");
}

TEST_F(TlsServerTest, BigBodiesTravelBothWaysInAnyPieces) {
  ASSERT_NO_FATAL_FAILURE(
      start([](const HttpRequest& request) { return HttpResponse::text(200, request.body); }));
  auto stream = connect();
  ASSERT_EQ(stream.status(), ok());
  std::string body(3 << 20, ' ');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i / 4096 % 26);
  const std::string request =
      fmt::format("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                  body.size(), body);
  for (const std::size_t cut : {std::size_t{1}, std::size_t{40}, std::size_t{100'000}}) {
    auto one = connect();
    ASSERT_EQ(one.status(), ok());
    ASSERT_EQ((*one)->write(request.substr(0, cut), later()), ok());
    ASSERT_EQ((*one)->write(request.substr(cut), later()), ok());
    const StatusOr<std::string> answer = read_all(**one);
    ASSERT_EQ(answer.status(), ok()) << "the server says goodbye";
    EXPECT_TRUE(answer->ends_with(body));
  }
}

TEST_F(TlsServerTest, PipelinedRequestsOfOneConnectionAreAnswered) {
  ASSERT_NO_FATAL_FAILURE(start());
  auto stream = connect();
  ASSERT_EQ(stream.status(), ok());
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += fmt::format("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", i);
  requests += "GET /end HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  ASSERT_EQ((*stream)->write(requests, later()), ok());
  const StatusOr<std::string> answers = read_all(**stream);
  ASSERT_EQ(answers.status(), ok());
  std::size_t at = 0;
  for (int i = 0; i < 50; ++i) {
    at = answers->find(fmt::format("GET /{} ", i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST_F(TlsServerTest, PlainHttpHearsThatItIsWrong) {
  ASSERT_NO_FATAL_FAILURE(start());
  RawHttp plain(server_->addresses().at(0));
  const auto reply = plain.get("/");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.body, "Client sent an HTTP request to an HTTPS server.\n");
  EXPECT_TRUE(plain.is_closed());
  RawHttp noise(server_->addresses().at(0));
  noise.socket().write(std::string(300, '\xff'));
  EXPECT_EQ(noise.read_reply().status, 0);
  EXPECT_EQ(get(), kGood);
}

TEST_F(TlsServerTest, SpeaksTheVersionsThatItIsToldTo) {
  ASSERT_NO_FATAL_FAILURE(start());
  const auto version = [&](const std::string& name) {
    auto stream = connect({.verify = false, .min_version = name, .max_version = name});
    return stream.ok() ? (*stream)->tls_peer()->version : std::string(message(stream.status()));
  };
  EXPECT_EQ(version("TLS13"), "TLS 1.3");
  EXPECT_EQ(version("TLS12"), "TLS 1.2");
  EXPECT_EQ(version("TLS11"), "tls: tlsv1 alert protocol version");
  options_.lock()->min_version = "TLS13";
  EXPECT_EQ(version("TLS12"), "tls: tlsv1 alert protocol version");
  options_.lock()->min_version = "TLS10";
  options_.lock()->max_version = "TLS11";
  EXPECT_EQ(version("TLS11"), "TLS 1.1");
  EXPECT_EQ(version("TLS13"), "tls: tlsv1 alert protocol version");
}

TEST_F(TlsServerTest, UsesTheCiphersAndCurvesThatItIsToldTo) {
  options_.lock()->cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"};
  options_.lock()->curves = {"P-384", "X25519"};
  ASSERT_NO_FATAL_FAILURE(start());
  const auto cipher = [&](const std::string& version) {
    auto stream = connect({.verify = false, .max_version = version});
    return stream.ok() ? (*stream)->tls_peer()->cipher : std::string(message(stream.status()));
  };
  EXPECT_EQ(cipher("TLS12"), "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
  options_.lock()->cipher_suites = {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"};
  EXPECT_EQ(cipher("TLS12"), "tls: sslv3 alert handshake failure") << "the key is of another kind";
  options_.lock()->cipher_suites = {"TLS_AES_128_GCM_SHA256"};
  EXPECT_EQ(cipher("TLS12"), "tls: tlsv1 alert protocol version") << "only 1.3 is left";
  EXPECT_TRUE(cipher("TLS13").starts_with("TLS_"));
}

TEST_F(TlsServerTest, AsksClientsForCertificates) {
  const TestCertificate known(folder_, {.common_name = "known"});
  const TestCertificate stranger(folder_, {.common_name = "stranger"});
  const TestCertificate old(folder_, {.common_name = "old", .days = -1});
  options_.lock()->client_ca_file = known.cert_file();
  const auto answers = [&](ClientAuth auth) {
    options_.lock()->client_auth = auth;
    const auto word = [](const std::string& answer) {
      return answer == kGood ? std::string("good") : answer.substr(answer.find(' ') + 1);
    };
    return word(get()) + ", " + word(get(known)) + ", " + word(get(stranger));
  };
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_EQ(answers(ClientAuth::kNone), "good, good, good");
  EXPECT_EQ(answers(ClientAuth::kRequest), "good, good, good");
  EXPECT_EQ(answers(ClientAuth::kRequireAny), "tlsv13 alert certificate required, good, good");
  EXPECT_EQ(answers(ClientAuth::kVerifyIfGiven), "good, good, tlsv1 alert unknown ca");
  EXPECT_EQ(answers(ClientAuth::kRequireAndVerify),
            "tlsv13 alert certificate required, good, tlsv1 alert unknown ca");
  options_.lock()->client_ca_file = old.cert_file();
  EXPECT_EQ(get(old), "read: sslv3 alert certificate expired");
}

TEST_F(TlsServerTest, LooksForNamesOfClients) {
  const TestCertificate known(folder_, {.alternative_names = "DNS:a.test,DNS:b.test,IP:10.0.0.7,"
                                                             "IP:fe80::1,URI:spiffe://x/y,"
                                                             "email:ops@a.test"});
  {
    const auto options = options_.lock();
    options->client_ca_file = known.cert_file();
    options->client_auth = ClientAuth::kRequireAndVerify;
    options->client_allowed_sans = {"other.test"};
  }
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_NE(get(known), kGood);
  for (const char* name :
       {"a.test", "b.test", "10.0.0.7", "fe80::1", "spiffe://x/y", "ops@a.test"}) {
    options_.lock()->client_allowed_sans = {"other.test", name};
    EXPECT_EQ(get(known), kGood) << name;
  }
  options_.lock()->client_allowed_sans = {"A.TEST"};
  EXPECT_NE(get(known), kGood) << "compared as upstream does";
}

TEST_F(TlsServerTest, NewCertificatesCountFromTheNextConnectionOn) {
  RecordProperty("expects_error_lines", 1);
  ASSERT_NO_FATAL_FAILURE(start());
  auto stays = connect();
  ASSERT_EQ(stays.status(), ok());
  const TestCertificate other(folder_, {.common_name = "other"});
  base::FileSystem& files = base::real_file_system();
  const auto replace = [&](const std::string& path, const std::string& by) {
    ASSERT_EQ(base::write_file_atomically(files, path, *files.read_file(by, 1 << 20)), ok());
  };
  replace(own_.cert_file(), other.cert_file());
  EXPECT_NE(get({.verify = false}), kGood) << "the key does not fit";
  replace(own_.key_file(), other.key_file());
  EXPECT_EQ(get({.ca_file = other.cert_file()}), kGood);
  ASSERT_EQ((*stays)->write("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", later()),
            ok());
  EXPECT_TRUE(read_all(**stays)->ends_with(kGood)) << "connections go on";
}

TEST_F(TlsServerTest, DoesNotStartWithWhatCannotBeUsed) {
  const TestCertificate other(folder_, {});
  const auto check = [&](const std::function<void(TlsServerOptions*)>& change,
                         std::string_view expected) {
    TlsServerOptions options = *options_.lock();
    change(&options);
    const auto tls = TlsServer::open(base::real_file_system(),
                                     [&]() -> StatusOr<TlsServerOptions> { return options; });
    ASSERT_FALSE(tls.ok()) << expected;
    EXPECT_NE(message(tls.status()).find(expected), std::string::npos) << message(tls.status());
  };
  check([](auto* o) { o->cert_file = "/nowhere.pem"; }, "/nowhere.pem");
  check([](auto* o) { o->key = "no key"; }, "reading the key");
  check([](auto* o) { o->cert = "no certificate"; }, "reading the certificate");
  check([&](auto* o) { o->key_file = other.key_file(); }, "key values mismatch");
  check([](auto* o) { o->min_version = "TLS13", o->max_version = "TLS12"; }, "above max_version");
  check([](auto* o) { o->cipher_suites = {"RC4"}; }, "unknown cipher: RC4");
  check([](auto* o) { o->curves = {"none"}; }, "curves");
  check([](auto* o) { o->client_auth = ClientAuth::kRequest, o->client_ca = "none"; },
        "reading certificates of text");
  // A key that asks for a password must not ask whoever sits at the terminal.
  check(
      [](auto* o) {
        o->key =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
            "MIGrMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n"
            "-----END ENCRYPTED PRIVATE KEY-----\n";
      },
      "reading the key");
}

TEST_F(TlsServerTest, AHandlerHearsThatItsClientIsGone) {
  Waiter<int> entered;
  Waiter<bool> gone;
  ASSERT_NO_FATAL_FAILURE(start([&](const HttpRequest& request) {
    entered.set(1);
    base::Mutex mutex;
    base::CondVar never;
    const base::SteadyTime give_up = later();
    while (!*request.client_gone && clock_.steady_now() < give_up) {
      base::MutexLock lock(mutex);
      never.wait_until(mutex, clock_.steady_now() + std::chrono::milliseconds(5));
    }
    gone.set(*request.client_gone);
    return echo(request);
  }));
  {
    auto stream = connect();
    ASSERT_EQ(stream.status(), ok());
    ASSERT_EQ((*stream)->write("GET / HTTP/1.1\r\nHost: h\r\n\r\n", later()), ok());
    entered.wait();
  }
  EXPECT_EQ(gone.wait(), true);
}

TEST_F(TlsServerTest, StopsWithHandshakesUnderWay) {
  ASSERT_NO_FATAL_FAILURE(start());
  RawHttp silent(server_->addresses().at(0));
  auto stream = connect();
  ASSERT_EQ(stream.status(), ok());
  // With TLS 1.3 a client may be through while the server still waits for its last message; an
  // answer shows that both are.
  ASSERT_EQ((*stream)->write("GET /a HTTP/1.1\r\nHost: h\r\n\r\n", later()), ok());
  std::string answer;
  while (!answer.ends_with(kGood)) {
    std::array<char, 4096> piece{};
    const StatusOr<std::size_t> got = (*stream)->read(piece.data(), piece.size(), later());
    ASSERT_EQ(got.status(), ok());
    ASSERT_NE(*got, 0U) << answer;
    answer.append(piece.data(), *got);
  }
  server_->stop();
  EXPECT_TRUE(silent.is_closed());
  EXPECT_EQ(read_all(**stream).value_or("cut"), "") << "the server says goodbye";
}

}  // namespace
}  // namespace tocsin::net
