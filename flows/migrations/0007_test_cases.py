import django.db.models.deletion
import integrator.accounts.models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('flows', '0006_late_targets_and_held_steps'),
    ]

    operations = [
        migrations.CreateModel(
            name='TestCase',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=integrator.accounts.models.public_id, editable=False, max_length=24, unique=True)),
                ('name', models.CharField(max_length=100)),
                ('event_type', models.CharField(max_length=255)),
                ('at', models.DateTimeField(help_text='The time that the flow is told when the case is run.')),
                ('given', models.BinaryField(help_text='JSON of the event and of what was read meanwhile, encrypted.')),
                ('expected', models.BinaryField(help_text='JSON of the records, exits and effects, encrypted.')),
                ('saved_at', models.DateTimeField()),
                ('saved_by', models.CharField(max_length=254)),
                ('flow', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='test_cases', to='flows.flow')),
            ],
            options={
                'ordering': ('name',),
                'constraints': [models.UniqueConstraint(fields=('flow', 'name'), name='one_test_case_per_name')],
            },
        ),
    ]
