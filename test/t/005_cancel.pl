# A long batch ends soon after it is told to.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

# One call that takes many seconds.
my $long = q{SELECT cardinality(tfm_embed('m', array_agg(repeat('a query for a document ', 10) || i)))
	FROM generate_series(1, 300000) AS i};

my $node = start_node('cancel');
my $path = quote_path(golden('sentence/mean'));
my $good = q{SELECT cardinality(tfm_tokenize('m', 'hello')) > 0};

$node->safe_psql('postgres', "SELECT tfm_load_model('m', $path)");

for my $threads (1, 2)
{
	my $began = now();
	my ($sqlstate, $message) =
	  sql_error($node, "SET tfm.threads = $threads; SET statement_timeout = '2s'; $long; $good");

	is($sqlstate, '57014', "$threads thread(s): cancelled");
	like($message, qr/^canceling statement due to statement timeout/, 'for its true cause');
	note(sprintf('ended %.2f s after it began', now() - $began));
}

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query("SET statement_timeout = '1s'");
is($session->query($long), '', 'a session is cancelled');
$session->query('RESET statement_timeout');
is($session->query($good), 't', 'and goes on');
$session->quit;

for my $signal ('cancel', 'terminate')
{
	my $running = background($node, "SET tfm.threads = 2; SELECT pg_backend_pid();\n$long;\n");

	ok(wait_for(sub { $running->{handle}->pump_nb; $running->{out} =~ /^\d+\n/ }), 'running');
	($pid) = $running->{out} =~ /^(\d+)/;
	sleep 1;
	my $began = now();
	is($node->safe_psql('postgres', "SELECT pg_${signal}_backend($pid)"), 't', "pg_${signal}_backend");
	eval { $running->{handle}->finish };
	note(sprintf('ended %.2f s after it was told to', now() - $began));
	like($running->{err}, $signal eq 'cancel' ? qr/57014/ : qr/57P01/, 'with its error');
}
is($node->safe_psql('postgres', $good), 't', 'the server is fine');

# An interrupt that is no reason to stop is served while the engine runs.
my $running = background($node, "SELECT pg_backend_pid();\n$long;\n");
ok(wait_for(sub { $running->{handle}->pump_nb; $running->{out} =~ /^\d+\n/ }), 'running');
($pid) = $running->{out} =~ /^(\d+)/;
sleep 1;
my $offset = -s $node->logfile;
$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
ok(wait_for(sub { slurp_file($node->logfile, $offset) =~ /logging memory contexts of PID $pid/ }, 10),
	'a request to log memory contexts is served');
like($running->{err}, qr/^$/, 'and the computation goes on');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
eval { $running->{handle}->finish };

$node->stop;
done_testing();
