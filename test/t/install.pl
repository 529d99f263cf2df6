#
# install.pl
#	  The extension comes and goes without a trace; 022_upgrade.pl is about its versions.
#
# SPDX-License-Identifier: PostgreSQL

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('install');
$node->init;
$node->start;

my $counts = q{
	SELECT (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_type), (SELECT count(*) FROM pg_class),
		(SELECT count(*) FROM pg_operator), (SELECT count(*) FROM pg_opclass), (SELECT count(*) FROM pg_cast),
		(SELECT count(*) FROM pg_foreign_data_wrapper), (SELECT count(*) FROM pg_description)};

my $before = $node->safe_psql('postgres', $counts);
$node->safe_psql('postgres', 'CREATE EXTENSION tfm');
$node->safe_psql('postgres', 'DROP EXTENSION tfm');
is($node->safe_psql('postgres', $counts), $before, 'a dropped extension leaves nothing');

$node->safe_psql('postgres', 'CREATE SCHEMA other; CREATE EXTENSION tfm SCHEMA other');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_proc WHERE proname ~ $$^tfm_$$ AND pronamespace = $$public$$::regnamespace'),
	'0', 'another schema takes all functions');
$node->safe_psql('postgres', 'DROP EXTENSION tfm');

$node->stop;
done_testing();
