# Importing models into the database: crashes, cancels, concurrency.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('stored', conf => "restart_after_crash = on\n");
my $other = quote_path(golden('sentence/cls'));
my $stored = q{SELECT count(DISTINCT content), count(*) FROM tfm_stored_files};

# ---- Crashes and cancels ----

my $big = quote_path(big_checkpoint(48));
my $import = "SELECT tfm_import_model('big', $big)";
my $wait = "SELECT pg_backend_pid();\n$import;\n";

# That many bytes are in the tables, committed or not.
sub growing
{
	return $node->safe_psql('postgres', q{SELECT pg_relation_size(reltoastrelid) > 8000000 FROM pg_class
		WHERE oid = 'tfm_stored_chunks'::regclass}) eq 't';
}

for my $signal ('INT', 'KILL')
{
	my $before = incarnation($node);
	my $session = background($node, $wait);

	ok(wait_for(sub { $session->{handle}->pump_nb; $session->{out} =~ /^\d+\n/ }), 'running');
	my ($pid) = $session->{out} =~ /^(\d+)/;
	ok(wait_for(\&growing), 'an import is under way');
	kill $signal, $pid;
	eval { $session->{handle}->finish };
	ok($signal eq 'INT' ? is_up($node) : is_restarted($node, $before), 'the server is up');
	is($node->safe_psql('postgres', $stored), '0|0', "SIG$signal: nothing of it is seen");
	$node->safe_psql('postgres', 'VACUUM FULL tfm_stored_chunks');
	$signal eq 'INT' and like($session->{err}, qr/57014/, 'it was cancelled');
}

# While the files are unpacked.
$node->safe_psql('postgres', $import);
for my $signal ('INT', 'KILL')
{
	unlink images($node);
	my $before = incarnation($node);
	my $session = background($node, "SELECT pg_backend_pid();\nSELECT tfm_count_tokens('big', 'x');\n");

	ok(wait_for(sub { $session->{handle}->pump_nb; $session->{out} =~ /^\d+\n/ }), 'running');
	my ($pid) = $session->{out} =~ /^(\d+)/;
	ok(wait_for(sub { grep { -d } temporaries($node) }), 'files are being unpacked');
	kill $signal, $pid;
	eval { $session->{handle}->finish };
	ok($signal eq 'INT' ? is_up($node) : is_restarted($node, $before), 'the server is up');
	is(scalar(temporaries($node)) > 0, $signal eq 'KILL', "SIG$signal: whether anything is left");
}
is($node->safe_psql('postgres', q{SELECT tfm_count_tokens('big', 'x') > 0}), 't', 'the next session compiles it');
is(scalar temporaries($node), 0, 'and removes what was left');

# ---- Concurrency ----

$node->safe_psql('postgres', "SELECT tfm_import_model('other', $other)");
my $first = background($node, "BEGIN;\nSELECT tfm_import_model('same', $other);\n\\echo imported\nSELECT pg_sleep(60);\n");
ok(wait_for(sub { $first->{handle}->pump_nb; $first->{out} =~ /imported/ }), 'an import that is not committed');
my $second = background($node, "SELECT tfm_import_model('same', $other);\n");
my $third = background($node, "SELECT tfm_drop_model('other');\n");
ok(wait_for(sub {
	$_->{handle}->pump_nb for $second, $third;
	$node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) == 2 }),
	'another of the same name waits, and who would forget its files');
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND pid <> pg_backend_pid()});
# A cancelled statement aborts the transaction, so that the second import goes on and succeeds.
$_->{handle}->finish for $first, $second, $third;
is($node->safe_psql('postgres', q{SELECT string_agg(name, ' ' ORDER BY name) FROM tfm_models}), 'big same', 'one of them is there');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tfm_model_files('same')}), '8', 'with its files');
my ($sqlstate) = sql_error($node, "SELECT tfm_import_model('same', $other)");
is($sqlstate, '42710', 'a name that is in use');

$node->stop;
done_testing();
