# Sessions that load the same model at once do not harm each other.  The library is preloaded here.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('concurrent', conf => "shared_preload_libraries = 'tfm'\n");
my $path = quote_path(big_checkpoint(64));

# Run one script in each of some sessions at once; their results.
sub together
{
	my @scripts = @_;
	my @running = map { background($node, $_) } @scripts;

	for (@running)
	{
		eval { $_->{handle}->finish };
	}
	return @running;
}

my $use = qq{SELECT jsonb_typeof(tfm_forward($path, '{"input_ids": [[2, 5, 3]]}'));\n};
for (together(($use) x 4))
{
	is($_->{out}, "object\n", 'uses a model that nobody has compiled');
	is($_->{err}, '', 'without an error');
}
is(scalar images($node), 1, 'one image');
unlink images($node);

is($_->{err}, '', 'loads it under a name of its own')
  for together(map { "SELECT tfm_load_model('m$_', $path);\n" } 1 .. 4);
is(scalar images($node), 1, 'one image');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT content) FROM tfm_models WHERE state = $$ready$$'),
	'1', 'one content');

my @same = together(("SELECT tfm_load_model('same', $path);\n") x 4);
is(scalar(grep { $_->{out} eq "same\n" } @same), 1, 'one of them gets the name');
is(scalar(grep { $_->{err} =~ /ERROR:  (42710|23505)/ } @same), 3, 'the others are told');

# One session drops and loads a model again and again while another uses it.
my $churn = join '', map { "SELECT tfm_drop_model('m1'); SELECT tfm_load_model('m1', $path);\n" } 1 .. 20;
my $calls = q{SELECT jsonb_typeof(tfm_forward('m1', '{"input_ids": [[2, 5, 3]]}'));} . "\n";
my ($changer, $user) = together($churn, $calls x 100);
is($changer->{err}, '', 'a model comes and goes');
unlike($user->{err}, qr/ERROR:  (?!42704)/, 'its user sees it or is told that it is not there');
is($node->safe_psql('postgres', $calls), 'object', 'at the end it is there');

$node->stop;
done_testing();
